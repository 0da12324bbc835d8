import { type Affine, affine, runtimeAffine } from '../../../core/batchnorm/affine.js';
import { affineBound, inferenceBound, type RoundingBound, trainingBound } from '../../../core/batchnorm/bound.js';
import type { BatchNormLayer, Parameter } from '../../../core/batchnorm/layer.js';
import { product } from '../../../core/numbers/arrays.js';
import { type FloatType, isFloatType } from '../../../core/numbers/float-formats.js';
import { widen } from '../../../core/numbers/small-floats.js';
import type { LayerParameters, LayerReport } from '../../../core/report/types.js';
import { biasedVariance } from '../../../kernel/moments.js';
import type { FloatData, Kernel, Layout, Moments } from '../../../kernel/types.js';
import type { RuntimeTensor } from '../tensors/tensor.js';

/** A layer's own numbers with its data: all that recomputing takes. */
export interface PreparedLayer {
	readonly x: FloatData;
	readonly type: FloatType;
	readonly shape: readonly number[];
	readonly layout: Layout;
	readonly perActivation: boolean;
	readonly scale: Float64Array;
	readonly shift: Float64Array;
	readonly bound: RoundingBound;
	/** Scale and shift as the runtime probably computes them. */
	readonly likely?: Affine;
	/** What the report shows: the parameters, and the scale and shift of the running statistics, in training mode too.
	 * Absent for a decomposed layer, of which the report already says all that can be told. */
	readonly shown?: { readonly parameters: LayerParameters; readonly affine: NonNullable<LayerReport['affine']> };
	/** Training mode: the exact moments of the batch, which the layer normalizes with. */
	readonly moments?: Moments;
}

/** Why a layer cannot be recomputed: one sentence. */
export interface Unprepared {
	readonly reason: string;
}

/**
 * Gathers what recomputing a layer takes from the file's parameters and the run's tensors.
 *
 * Training mode: scale and shift come from the batch's own mean and biased variance (arXiv 1502.03167, algorithm 1; ONNX
 * BatchNormalization, training_mode = 1).
 * @param known scale and shift where the structure already has them: where the file tells all parameters
 */
export function prepareLayer(
	layer: BatchNormLayer,
	known: LayerReport['affine'],
	tensors: ReadonlyMap<string, RuntimeTensor>,
	kernel: Kernel,
): PreparedLayer | Unprepared {
	if (layer.input === '' || layer.output === '') {
		return { reason: `Not checked: the node has no ${layer.input === '' ? 'input' : 'output'}.` };
	}
	const x = tensors.get(layer.input);
	if (x === undefined) {
		const why =
			layer.scope.lookup(layer.input).kind === 'none'
				? `nothing in the graph writes "${layer.input}"`
				: `the runtime returned no tensor "${layer.input}"`;
		return { reason: `Not checked: ${why}, the layer's input.` };
	}
	if (!isFloatType(x.type)) {
		return { reason: `Not checked: the layer's input is of type ${x.type}, which is not a floating type.` };
	}
	const perActivation = layer.axes === 'activation';
	const data = { x: x.data as FloatData, type: x.type, shape: x.dims, layout: layoutOf(x.dims), perActivation };
	const numbers =
		layer.kind === 'decomposed' && known !== null
			? { ...known, bound: affineBound(known, x.type, 'own') }
			: fromParameters(layer, data, known, { tensors, kernel });
	if ('reason' in numbers) {
		return numbers;
	}
	const expected = perActivation ? data.layout.channels * data.layout.inner : data.layout.channels;
	if (numbers.scale.length !== expected) {
		return { reason: wrongCount(numbers.scale.length, x.dims, expected) };
	}
	return { ...data, ...numbers };
}

function wrongCount(count: number, shape: readonly number[], expected: number): string {
	return `Not checked: the layer has ${count} scale values, but its input of shape [${shape.join(', ')}] needs ${expected}.`;
}

type Data = Pick<PreparedLayer, 'x' | 'type' | 'layout' | 'shape'>;

function fromParameters(
	layer: BatchNormLayer,
	data: Data,
	known: LayerReport['affine'],
	{ tensors, kernel }: { readonly tensors: ReadonlyMap<string, RuntimeTensor>; readonly kernel: Kernel },
): Pick<PreparedLayer, 'scale' | 'shift' | 'bound' | 'likely' | 'shown' | 'moments'> | Unprepared {
	const parameters = parameterValues(layer, tensors);
	if ('reason' in parameters) {
		return parameters;
	}
	const { epsilon } = layer;
	if (Number.isNaN(epsilon)) {
		return { reason: 'Not checked: epsilon is NaN, and with it everything that the layer computes.' };
	}
	const { gamma, beta, mean, variance } = parameters;
	const shown = { parameters, affine: known ?? affine(gamma, beta, mean, variance, epsilon) };
	if (layer.mode === 'inference') {
		const likely = runtimeAffine(gamma, beta, mean, variance, epsilon);
		const bound = inferenceBound({ ...parameters, epsilon }, data.type, 'runtime', shown.affine);
		return { ...shown.affine, likely, bound, shown };
	}
	if (layer.axes === 'activation') {
		return { reason: 'Not checked: training mode with one statistic per activation (spatial=0) is not recomputed.' };
	}
	if (gamma.length !== data.layout.channels) {
		return { reason: wrongCount(gamma.length, data.shape, data.layout.channels) };
	}
	const moments = kernel.moments(data.x, data.type, data.layout);
	return { ...normalizeBatch({ gamma, beta, epsilon }, moments, data), shown, moments };
}

/** Training mode: scale, shift and bound with the batch's own statistics. */
export function normalizeBatch(
	{ gamma, beta, epsilon }: Pick<LayerParameters, 'gamma' | 'beta'> & { readonly epsilon: number },
	moments: Moments,
	{ type, layout }: Pick<Data, 'type' | 'layout'>,
): Pick<PreparedLayer, 'scale' | 'shift' | 'bound'> {
	// Moments leave out what is not finite; what the layer normalizes with does not.
	const spoilt = (values: Float64Array) => values.map((value, c) => (moments.nonFinite[c] > 0 ? Number.NaN : value));
	const used = { gamma, beta, mean: spoilt(moments.mean), variance: spoilt(biasedVariance(moments)), epsilon };
	return {
		...affine(gamma, beta, used.mean, used.variance, epsilon),
		bound: trainingBound(used, { images: layout.batch, planeSize: layout.inner }, type),
	};
}

function parameterValues(
	layer: BatchNormLayer,
	tensors: ReadonlyMap<string, RuntimeTensor>,
): LayerParameters | Unprepared {
	const values = (parameter: Parameter): Float64Array | undefined => {
		if (parameter.values !== null) {
			return parameter.values;
		}
		return floatValues(tensors.get(parameter.name));
	};
	const [gamma, beta, mean, variance] = [layer.gamma, layer.beta, layer.mean, layer.variance].map(values);
	if (gamma && beta && mean && variance) {
		const lengths = [gamma, beta, mean, variance].map(({ length }) => length);
		return lengths.every((length) => length === gamma.length)
			? { gamma, beta, mean, variance }
			: { reason: `Not checked: the parameters have different numbers of values: ${lengths.join(', ')}.` };
	}
	const missing = [layer.gamma, layer.beta, layer.mean, layer.variance].find(
		(parameter) => values(parameter) === undefined,
	);
	if (missing?.origin.kind === 'missing' && missing.name === '') {
		return { reason: 'Not checked: the node has not all of gamma, beta, mean and variance.' };
	}
	return { reason: `Not checked: ${missing?.problem ?? `the value of parameter "${missing?.name}" is not known.`}` };
}

/** A floating tensor's values; undefined for other types. */
export function floatValues(tensor: RuntimeTensor | undefined): Float64Array | undefined {
	if (tensor === undefined || !isFloatType(tensor.type)) {
		return undefined;
	}
	if (tensor.type === 'float32' || tensor.type === 'float64') {
		return Float64Array.from(tensor.data as Float32Array);
	}
	return Float64Array.from(
		widen(tensor.data as Uint16Array, tensor.type, { start: 0, stride: 1, length: tensor.data.length }),
	);
}

/** (N, C, D1 … Dn) as the kernels see it. A rank-1 input is one channel (ONNX: C is assumed to be 1). */
export function layoutOf(dims: readonly number[]): Layout {
	if (dims.length < 2) {
		return { batch: dims[0] ?? 1, channels: 1, inner: 1 };
	}
	return { batch: dims[0], channels: dims[1], inner: product(dims.slice(2)) };
}
