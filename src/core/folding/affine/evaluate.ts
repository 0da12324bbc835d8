import { product } from '../../numbers/arrays.js';
import type { Scope } from '../../onnx/graph/scope.js';
import type { Node } from '../../onnx/model.js';
import { layerParameters } from '../operators/layer-parameters.js';
import { dequantizer, type LinearOperator } from '../operators/linear.js';
import type { QuantizationGrid } from '../operators/quantization-grid.js';
import type { OperatorWeights, WeightReader } from '../operators/weights.js';
import { type AffineMap, addMaps, concatMaps, identityMap, type Sum, scaleAndShift, sumOf } from './affine-map.js';
import { unblocked } from './blocked-weights.js';
import { applyKernel, type Kernel } from './compose.js';
import type { Plan } from './plan.js';
import { BLOCKED_DOMAIN } from './planner.js';

/** Maximum number of coefficients of a map: 64 MB in float64. */
export const MAX_COEFFICIENTS = 1 << 23;

/**
 * Maximum number of channels of a base, whose shape may be a mere claim: 30 MB as a map. Flattened images in front of a
 * linear layer have 25,000.
 */
const MAX_CHANNELS = 1 << 16;

/** Maximum number of channels of all bases that are read, each of which takes a microsecond. */
const MAX_ROWS = 1 << 19;
/** The same for each node. MobileNet reads 700 a node, with up to 1,280 channels. */
const MAX_ROWS_PER_NODE = 1 << 11;

/** Computes maps from plans, in float64 from the constants of the file. */
export class Evaluator {
	readonly #scope: Scope;
	readonly #weights: WeightReader;
	readonly #block: number;
	/** Channels of bases that may still be read. */
	#rowsLeft: number;

	/** @param block channels in a block of weights in onnxruntime's own layout */
	constructor(scope: Scope, weights: WeightReader, block: number) {
		this.#scope = scope;
		this.#weights = weights;
		this.#block = block;
		this.#rowsLeft = MAX_ROWS + MAX_ROWS_PER_NODE * scope.graph.nodes.length;
	}

	/**
	 * @param channels of the plan's tensor, where the caller knows them
	 * @returns undefined if a constant is missing or does not fit, or if the steps of its grid are not known
	 */
	async evaluate(plan: Plan, channels?: number): Promise<AffineMap | undefined> {
		switch (plan.kind) {
			case 'base': {
				return this.#base(plan, channels ?? plan.channels ?? Number.POSITIVE_INFINITY);
			}
			case 'kernel':
				return this.#kernel(plan);
			case 'layer':
				return this.#layer(plan);
			case 'constant':
				return this.#constant(plan, channels);
			case 'sum':
				return this.#sum(plan, channels);
			case 'concat':
				return this.#concat(plan);
			case 'split':
				return this.#split(plan);
		}
	}

	#base({ name, axis, space }: Extract<Plan, { kind: 'base' }>, channels: number): AffineMap | undefined {
		if (channels > MAX_CHANNELS || channels > this.#rowsLeft) {
			return undefined;
		}
		this.#rowsLeft -= channels;
		return identityMap(name, axis, channels, space);
	}

	async #kernel({ node, operator, input }: Extract<Plan, { kind: 'kernel' }>): Promise<AffineMap | undefined> {
		const dims = await this.#weights.dims(operator);
		if (!dims || product(dims) > MAX_COEFFICIENTS) {
			return undefined;
		}
		const weights = await this.#weights.read(operator);
		if (!weights.ok) {
			return undefined;
		}
		const { kind } = operator;
		const kernel =
			kind === 'Conv'
				? convolution(node, operator, weights.value, this.#block)
				: kind === 'ConvTranspose'
					? undefined
					: matrix(operator, weights.value);
		const map = kernel && (await this.evaluate(input, kernel.group * kernel.columns));
		if (!map || map.rows.length < kernel.group * kernel.columns) {
			return undefined;
		}
		const { grid } = weights.value;
		return applyKernel({ ...kernel, ...(grid && { slacks: slacksOf(grid, kernel.rows) }) }, map);
	}

	async #layer({ layer, input }: Extract<Plan, { kind: 'layer' }>): Promise<AffineMap | undefined> {
		const parameters = layerParameters(layer);
		if (!parameters.ok || layer.node.inputs.some((name) => dequantizer(this.#scope, name) !== undefined)) {
			return undefined;
		}
		const { gamma, beta, mean, variance, epsilon } = parameters.value;
		const map = await this.evaluate(input, gamma.length);
		if (map?.rows.length !== gamma.length) {
			return undefined;
		}
		const scale = gamma.map((value, c) => value / Math.sqrt(variance[c] + epsilon));
		const shift = Array.from(scale, (s, c): Sum => {
			return { value: beta[c] - mean[c] * s, size: Math.abs(beta[c]) + Math.abs(mean[c] * s), terms: 2 };
		});
		return scaleAndShift(map, scale, shift);
	}

	async #constant(plan: Extract<Plan, { kind: 'constant' }>, channels: number | undefined) {
		const { operation, constant, isReversed, behind, input } = plan;
		const map = dequantizer(this.#scope, constant) ? undefined : await this.evaluate(input, channels);
		const values = map && (await this.#weights.perChannel(this.#scope, constant, map.rows.length, { behind }));
		if (!values) {
			return undefined;
		}
		if (operation === 'Mul' || operation === 'Div') {
			return scaleAndShift(map, operation === 'Mul' ? values : values.map((value) => 1 / value), undefined);
		}
		const [sign, side] = operation === 'Add' ? [1, 1] : isReversed ? [-1, 1] : [1, -1];
		const shift = Array.from(values, (value) => sumOf(side * value));
		return scaleAndShift(map, new Float64Array(values.length).fill(sign), shift);
	}

	async #sum({ inputs, signs }: Extract<Plan, { kind: 'sum' }>, channels: number | undefined) {
		// A part with weights shows the channels of the other parts.
		const order = inputs.map((_, index) => index).sort((a, b) => Number(isBase(inputs[a])) - Number(isBase(inputs[b])));
		let total: AffineMap | undefined;
		for (const index of order) {
			const map = await this.evaluate(inputs[index], total?.rows.length ?? channels);
			if (!map || (total && map.rows.length !== total.rows.length)) {
				return undefined;
			}
			const { length } = map.rows;
			const signed = signs[index] === 1 ? map : scaleAndShift(map, new Float64Array(length).fill(-1), undefined);
			total = total ? addMaps(total, signed) : signed;
		}
		return total;
	}

	async #concat({ inputs }: Extract<Plan, { kind: 'concat' }>): Promise<AffineMap | undefined> {
		const maps: AffineMap[] = [];
		let channels = 0;
		for (const input of inputs) {
			const map = await this.evaluate(input);
			channels += map?.rows.length ?? 0;
			if (!map || channels > MAX_CHANNELS) {
				return undefined;
			}
			maps.push(map);
		}
		return concatMaps(maps);
	}

	async #split({ node, output, input }: Extract<Plan, { kind: 'split' }>): Promise<AffineMap | undefined> {
		const given = this.#scope.attribute(node, 'split')?.ints;
		const sizes = given ?? (await this.#weights.integers(this.#scope, node.inputs[1] ?? ''));
		const map = await this.evaluate(
			input,
			sizes?.reduce((a, b) => a + b, 0),
		);
		if (!map) {
			return undefined;
		}
		const share = Math.ceil(map.rows.length / node.outputs.length);
		const start = sizes ? sizes.slice(0, output).reduce((a, b) => a + b, 0) : share * output;
		return { ...map, rows: map.rows.slice(start, start + (sizes?.[output] ?? share)) };
	}
}

/** Returns the errors of rounding to a grid: half a step. @param rows of the weight */
function slacksOf({ weight, bias }: QuantizationGrid, rows: number): NonNullable<Kernel['slacks']> {
	const half = (steps: Float64Array | undefined) => steps?.map((step) => step / 2) ?? new Float64Array(rows);
	return { weight: half(weight), bias: half(bias) };
}

const isBase = ({ kind }: Plan): boolean => kind === 'base';

function convolution(
	node: Node,
	operator: LinearOperator,
	weights: OperatorWeights,
	block: number,
): Kernel | undefined {
	const { dims, bias } = weights;
	const { group, scope } = operator;
	const [rows, columns, ...kernel] = dims;
	const weight = node.domain === BLOCKED_DOMAIN ? unblocked(weights, { group, block }) : weights.weight;
	const list = (name: string) => scope.attribute(node, name)?.ints;
	const dilations = list('dilations') ?? kernel.map(() => 1);
	const pads = padsOf(operator, kernel, dilations);
	if (!weight || !pads) {
		return undefined;
	}
	const positions = product(kernel);
	const offsets = Array.from({ length: positions }, (_, position) => {
		let rest = position;
		return kernel
			.toReversed()
			.map((size) => {
				const at = rest % size;
				rest = Math.floor(rest / size);
				return at;
			})
			.reverse()
			.map((at, axis) => at * dilations[axis] - pads[axis]);
	});
	return {
		rows,
		columns,
		group,
		strides: list('strides') ?? kernel.map(() => 1),
		offsets,
		isPadded: pads.some((pad) => pad !== 0),
		at: (row, column, position) => weight[(row * columns + column) * positions + position],
		bias,
	};
}

/** Returns the zeros in front of each spatial axis; undefined if they depend on the input's size. */
function padsOf({ scope, node }: LinearOperator, kernel: readonly number[], dilations: readonly number[]) {
	const automatic = scope.attribute(node, 'auto_pad')?.s;
	// SAME_UPPER and SAME_LOWER begin with S.
	if (automatic?.[0] !== 0x53) {
		const pads = scope.attribute(node, 'pads')?.ints;
		return pads && automatic?.[0] !== 0x56 ? pads.slice(0, kernel.length) : kernel.map(() => 0);
	}
	const isPlain = scope.attribute(node, 'strides')?.ints?.every((stride) => stride === 1) ?? true;
	const pads = kernel.map((size, axis) => ((size - 1) * dilations[axis]) / 2);
	return isPlain && pads.every(Number.isInteger) ? pads : undefined;
}

function matrix({ transB, kind }: LinearOperator, { weight, dims, bias }: OperatorWeights): Kernel | undefined {
	const [first, second, ...more] = dims;
	if (more.length > 0) {
		return undefined;
	}
	const isTransposed = kind === 'Gemm' && transB;
	const [rows, columns] = isTransposed ? [first, second] : [second, first];
	return {
		rows,
		columns,
		group: 1,
		strides: [],
		offsets: [[]],
		isPadded: false,
		at: isTransposed ? (row, column) => weight[row * columns + column] : (row, column) => weight[column * rows + row],
		bias,
	};
}
