import type { Constant, ConstantResolver } from '../onnx/graph/constants.js';
import type { Scope } from '../onnx/graph/scope.js';
import type { Tensor } from '../onnx/model.js';
import { typeName } from '../onnx/types.js';
import type { Finding, LayerParameters } from '../report/types.js';
import { failure, type Result, success } from '../result.js';
import { joinWords } from '../text/sentences.js';
import type { BatchNormLayer, Parameter, ParameterOrigin } from './layer.js';

export const PARAMETER_NAMES = ['gamma', 'beta', 'mean', 'variance'] as const;

export type ParameterName = (typeof PARAMETER_NAMES)[number];

/** Maximum number of parameter values kept per model: 128 MB. Networks have under a million. */
const MAX_VALUES = 1 << 24;
/**
 * Maximum number of values of tensors that further layers name, because a report lists them for each layer. A small file
 * can name a large tensor in every layer.
 */
const MAX_REPEATED_VALUES = 1 << 21;

/** Resolves the parameters of a model's layers. */
export class ParameterReader {
	readonly #constants: ConstantResolver;
	/** Layers that share a tensor share its values. */
	readonly #values = new Map<Tensor, Float64Array>();
	/** Number of values, and of those that several layers read. */
	readonly #counts = { all: 0, repeated: 0 };

	constructor(constants: ConstantResolver) {
		this.#constants = constants;
	}

	/** The parameter that a node's input `name` is. @throws {OnnxError} `io` */
	async read(scope: Scope, name: string): Promise<Parameter> {
		return this.#parameter(name, await this.#constants.resolve(scope, name));
	}

	#parameter(name: string, { origin, tensor, dataType, dims, problem }: Constant): Parameter {
		const common = { name, origin, dims, dtype: typeName(dataType) };
		if (tensor === null) {
			return { ...common, values: null, ...(problem === undefined ? {} : { problem }) };
		}
		const known = this.#values.get(tensor);
		this.#counts[known ? 'repeated' : 'all'] += tensor.data.length;
		if (this.#counts.all > MAX_VALUES) {
			const limit = `The model's normalization parameters have more than ${MAX_VALUES} values in all; "${name}" is not read.`;
			return { ...common, values: null, problem: limit };
		}
		if (this.#counts.repeated > MAX_REPEATED_VALUES) {
			const limit = `Layers share parameters with more than ${MAX_REPEATED_VALUES} values in all; "${name}" is not read again.`;
			return { ...common, values: null, problem: limit };
		}
		const values = known ?? Float64Array.from(tensor.data);
		this.#values.set(tensor, values);
		return { ...common, values, ...(tensor.error && { error: tensor.error }) };
	}
}

/** Returns all parameter values, or a sentence why they are unknown. */
export function parameterValues(layer: Pick<BatchNormLayer, ParameterName>): Result<LayerParameters> {
	const { gamma, beta, mean, variance } = layer;
	if (gamma.values && beta.values && mean.values && variance.values) {
		const values = { gamma: gamma.values, beta: beta.values, mean: mean.values, variance: variance.values };
		const lengths = new Set(PARAMETER_NAMES.map((name) => values[name].length));
		if (lengths.size === 1) {
			return success(values);
		}
		const sizes = PARAMETER_NAMES.map((name) => `${name} ${values[name].length}`).join(', ');
		return failure(`The parameters have different numbers of values: ${sizes}.`);
	}
	const problem = PARAMETER_NAMES.map((name) => layer[name].problem).find((text) => text !== undefined);
	if (problem !== undefined) {
		return failure(problem);
	}
	const absent = PARAMETER_NAMES.filter((name) => layer[name].values === null);
	const missing = absent.filter((name) => layer[name].origin.kind === 'missing');
	if (missing.length > 0) {
		return failure(`The node has no ${joinWords(missing)}.`);
	}
	const origins = new Set(absent.map((name) => runTimeWords(layer[name].origin)));
	return failure(`Only known at run time: ${joinWords(absent)} (${[...origins].join(', ')}).`);
}

/**
 * Returns a finding about parameters that no run can supply: of different sizes (an error), missing, or unreadable.
 * Undefined if all are known, or known at run time.
 */
export function parameterFinding(layer: Pick<BatchNormLayer, ParameterName | 'affine'>): Finding | undefined {
	const resolved = parameterValues(layer);
	if (resolved.ok || layer.affine) {
		return undefined;
	}
	const parts = PARAMETER_NAMES.map((name) => layer[name]);
	const isDifferent = parts.every(({ values }) => values !== null);
	const isLost = parts.some(({ values, origin, problem }) => values === null && (origin.kind === 'missing' || problem));
	return isDifferent || isLost
		? {
				code: 'unusable-parameters',
				severity: isDifferent ? 'error' : 'warning',
				channels: [],
				message: resolved.reason,
			}
		: undefined;
}

function runTimeWords(origin: ParameterOrigin): string {
	return origin.kind === 'runtime' ? `computed by ${origin.operator}` : 'an input of the graph';
}

/** True if two parameters come from the same tensor of the file. */
export function isSameTensor(a: Parameter, b: Parameter): boolean {
	return tensorName(a) === tensorName(b);
}

/** Returns the name of the tensor that a parameter comes from. */
export function tensorName({ origin, name }: Parameter): string {
	return 'name' in origin ? origin.name : name;
}

/** Describes the origin of the parameters: a single phrase if all four agree, else a phrase per kind. */
export function describeOrigins(layer: Pick<BatchNormLayer, ParameterName>): string {
	const groups = new Map<string, string[]>();
	for (const name of PARAMETER_NAMES) {
		const words = describeOrigin(layer[name].origin);
		groups.set(words, [...(groups.get(words) ?? []), name]);
	}
	if (groups.size === 1) {
		return [...groups.keys()].join('');
	}
	return [...groups].map(([words, names]) => `${names.join(', ')}: ${words}`).join('; ');
}

function describeOrigin(origin: ParameterOrigin): string {
	const through = (path: readonly string[]) => (path.length === 0 ? '' : ` through ${path.join(', ')}`);
	switch (origin.kind) {
		case 'initializer':
			return `initializer${origin.alsoInput ? ' (also a graph input)' : ''}${through(origin.through)}`;
		case 'constant':
			return `Constant node${through(origin.through)}`;
		case 'computed':
			return `constant expression (${origin.operators.join(', ')})`;
		case 'graph-input':
			return 'graph input';
		case 'runtime':
			return `computed at run time by ${origin.operator}`;
		case 'missing':
			return 'missing';
	}
}
