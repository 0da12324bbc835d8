/**
 * Networks and correct deployments of them in forms that tools write: branches merged, channels permuted or equalized,
 * biases and scales moved. Weights are computed in float64 and rounded to float32 once.
 */
import { type Random, seededRandom } from '../../../src/engine/child/tensors/random.js';
import { buildModel, type GraphSpec, type NodeSpec, type TensorSpec } from './model-builder.js';

export interface DeployedForm {
	readonly original: GraphSpec;
	readonly deployed: GraphSpec;
}

/** A weight of shape (rows, columns, kernel, kernel), row-major. */
export interface Weight {
	readonly dims: readonly [number, number, number, number];
	readonly values: Float64Array;
}

export interface Layer {
	readonly gamma: Float64Array;
	readonly beta: Float64Array;
	readonly mean: Float64Array;
	readonly variance: Float64Array;
	readonly scale: Float64Array;
	readonly shift: Float64Array;
}

const EPSILON = Math.fround(1e-5);
const SPACE = 8;
const INPUT = [2, 4, SPACE, SPACE];
/** Channels between the first and the last convolution. */
export const WIDTH = 6;

export class Graph {
	readonly nodes: NodeSpec[] = [];
	readonly initializers: TensorSpec[] = [];
	readonly #prefix: string;

	constructor(prefix: string) {
		this.#prefix = prefix;
	}

	tensor(dims: readonly number[], values: ArrayLike<number>): string {
		const name = `${this.#prefix}_${this.initializers.length}`;
		this.initializers.push({ name, dims, values: Array.from(values, Math.fround) });
		return name;
	}

	integers(values: readonly number[]): string {
		const name = `${this.#prefix}_${this.initializers.length}`;
		this.initializers.push({ name, dtype: 'int64', dims: [values.length], values: values.map(BigInt) });
		return name;
	}

	node(op: string, inputs: readonly string[], attributes: NodeSpec['attributes'] = {}): string {
		const output = `${this.#prefix}${op}${this.nodes.length}`;
		this.nodes.push({ op, name: `${op}_${this.nodes.length}`, inputs, outputs: [output], attributes });
		return output;
	}

	conv(x: string, weight: Weight, bias?: ArrayLike<number>, { group = 1, pad = -1 } = {}): string {
		const [rows, , kernel] = weight.dims;
		const size = pad < 0 ? (kernel - 1) >> 1 : pad;
		const inputs = [x, this.tensor(weight.dims, weight.values), ...(bias ? [this.tensor([rows], bias)] : [])];
		return this.node('Conv', inputs, { pads: { ints: [size, size, size, size] }, group: { i: group } });
	}

	batchNorm(x: string, { gamma, beta, mean, variance }: Omit<Layer, 'scale' | 'shift'>, isTraining = false): string {
		const parameters = [gamma, beta, mean, variance].map((values) => this.tensor([values.length], values));
		const epsilon = { epsilon: { f: EPSILON } };
		if (!isTraining) {
			return this.node('BatchNormalization', [x, ...parameters], epsilon);
		}
		const name = `BatchNormalization_${this.nodes.length}`;
		const outputs = ['y', 'mean', 'variance'].map((output) => `${this.#prefix}${name}${output}`);
		const attributes = { ...epsilon, training_mode: { i: 1 } };
		this.nodes.push({ op: 'BatchNormalization', name, inputs: [x, ...parameters], outputs, attributes });
		return outputs[0];
	}

	/** Adds a constant per channel. */
	add(x: string, values: Float64Array): string {
		return this.node('Add', [x, this.tensor([1, values.length, 1, 1], values)]);
	}

	relu(x: string): string {
		return this.node('Relu', [x]);
	}

	finish(output: string): GraphSpec {
		const y = this.node('Relu', [output]);
		const { nodes, initializers } = this;
		return { nodes, initializers, inputs: [{ name: 'x', shape: INPUT }], outputs: [y] };
	}
}

export interface Parts {
	readonly random: Random;
	readonly from: Graph;
	readonly to: Graph;
}

/** Writes a block into both models. @param x tensors of WIDTH channels. @returns tensors of WIDTH channels */
export type Block = (parts: Parts, x: readonly [string, string]) => readonly [string, string];

export function weightOf({ normal }: Random, rows: number, columns: number, kernel: number): Weight {
	const dims = [rows, columns, kernel, kernel] as const;
	const length = rows * columns * kernel * kernel;
	const size = Math.sqrt(columns * kernel * kernel);
	return { dims, values: Float64Array.from({ length }, () => Math.fround(normal() / size)) };
}

export function layerOf({ normal }: Random, channels: number): Layer {
	const draw = (value: () => number) => Float64Array.from({ length: channels }, () => Math.fround(value()));
	const gamma = draw(() => 1 + 0.3 * normal());
	const beta = draw(() => 0.3 * normal());
	const mean = draw(() => 0.3 * normal());
	const variance = draw(() => Math.exp(0.5 * normal()));
	const scale = gamma.map((value, c) => value / Math.sqrt(variance[c] + EPSILON));
	const shift = beta.map((value, c) => value - mean[c] * scale[c]);
	return { gamma, beta, mean, variance, scale, shift };
}

const rowLength = ({ dims }: Weight): number => dims[1] * dims[2] * dims[3];

export const scaleRows = (weight: Weight, scale: Float64Array): Weight => ({
	...weight,
	values: weight.values.map((value, i) => value * scale[Math.floor(i / rowLength(weight))]),
});

export const scaleColumns = (weight: Weight, scale: Float64Array): Weight => {
	const space = weight.dims[2] * weight.dims[3];
	return { ...weight, values: weight.values.map((value, i) => value * scale[Math.floor(i / space) % weight.dims[1]]) };
};

/** Returns a selection of rows. */
export function rowsOf(weight: Weight, rows: readonly number[]): Weight {
	const length = rowLength(weight);
	const values = rows.flatMap((row) => Array.from(weight.values.subarray(row * length, (row + 1) * length)));
	return { dims: [rows.length, weight.dims[1], weight.dims[2], weight.dims[3]], values: Float64Array.from(values) };
}

export function columnsOf(weight: Weight, columns: readonly number[]): Weight {
	const [rows, width, height, depth] = weight.dims;
	const space = height * depth;
	const values = Array.from({ length: rows }, (_, row) =>
		columns.flatMap((column) =>
			Array.from(weight.values.subarray((row * width + column) * space, (row * width + column + 1) * space)),
		),
	).flat();
	return { dims: [rows, columns.length, height, depth], values: Float64Array.from(values) };
}

export const pick = (values: Float64Array, order: readonly number[]) => Float64Array.from(order, (i) => values[i]);
const sum = (a: Float64Array, b: Float64Array) => a.map((value, i) => value + b[i]);
const times = (a: Float64Array, b: Float64Array) => a.map((value, i) => value * b[i]);

/** Returns the sums of rows over columns and kernel, weighted by a value per column. */
function columnSums(weight: Weight, shift: Float64Array): Float64Array {
	const length = rowLength(weight);
	const space = weight.dims[2] * weight.dims[3];
	const sums = new Float64Array(weight.dims[0]);
	weight.values.forEach((value, i) => {
		sums[Math.floor(i / length)] += value * shift[Math.floor(i / space) % weight.dims[1]];
	});
	return sums;
}

/** Writes a 1x1 kernel as the center of a 3x3 kernel. */
function centered({ dims: [rows, columns], values }: Weight): Weight {
	const wide = new Float64Array(rows * columns * 9);
	values.forEach((value, i) => {
		wide[i * 9 + 4] = value;
	});
	return { dims: [rows, columns, 3, 3], values: wide };
}

/** 1x1 kernel that hands on its channels. */
function identity(channels: number): Weight {
	const values = Float64Array.from({ length: channels * channels }, (_, i) => (i % (channels + 1) === 0 ? 1 : 0));
	return { dims: [channels, channels, 1, 1], values };
}

const order = ({ uniform }: Random, length: number): number[] =>
	Array.from({ length }, (_, i) => ({ i, key: uniform() }))
		.sort((a, b) => a.key - b.key)
		.map(({ i }) => i);

/** Blocks whose deployment is correct, by the form that it has. */
export const BLOCKS = {
	'three branches merged into one convolution': ({ random, from, to }, [x, y]) => {
		const weights = [weightOf(random, WIDTH, WIDTH, 3), weightOf(random, WIDTH, WIDTH, 1)];
		const layers = [0, 1, 2].map(() => layerOf(random, WIDTH));
		const branches = [
			from.batchNorm(from.conv(x, weights[0]), layers[0]),
			from.batchNorm(from.conv(x, weights[1]), layers[1]),
			from.batchNorm(x, layers[2]),
		];
		const joined = from.node('Add', [from.node('Add', [branches[0], branches[1]]), branches[2]]);
		const parts = [
			scaleRows(weights[0], layers[0].scale),
			centered(scaleRows(weights[1], layers[1].scale)),
			centered(scaleRows(identity(WIDTH), layers[2].scale)),
		];
		const values = parts.map((part) => part.values).reduce(sum);
		const bias = layers.map(({ shift }) => shift).reduce(sum);
		return [from.relu(joined), to.relu(to.conv(y, { ...parts[0], values }, bias))];
	},
	'one layer split over two convolutions': ({ random, from, to }, [x, y]) => {
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const layer = layerOf(random, WIDTH);
		const folded = scaleRows(weight, layer.scale);
		const halves = [
			[0, 1],
			[2, 3, 4, 5],
		].map((rows) => to.conv(y, rowsOf(folded, rows), pick(layer.shift, rows)));
		return [
			from.relu(from.batchNorm(from.conv(x, weight), layer)),
			to.relu(to.node('Concat', halves, { axis: { i: 1 } })),
		];
	},
	'two convolutions concatenated in front of one layer': ({ random, from, to }, [x, y]) => {
		const weights = [weightOf(random, 2, WIDTH, 3), weightOf(random, WIDTH - 2, WIDTH, 3)];
		const layer = layerOf(random, WIDTH);
		const parts = weights.map((weight) => from.conv(x, weight));
		const rows = [
			[0, 1],
			[2, 3, 4, 5],
		];
		const folded = weights.map((weight, i) =>
			to.conv(y, scaleRows(weight, pick(layer.scale, rows[i])), pick(layer.shift, rows[i])),
		);
		return [
			from.relu(from.batchNorm(from.node('Concat', parts, { axis: { i: 1 } }), layer)),
			to.relu(to.node('Concat', folded, { axis: { i: 1 } })),
		];
	},
	'bias in the convolution and in an Add behind it': ({ random, from, to }, [x, y]) => {
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const layer = layerOf(random, WIDTH);
		const half = layer.shift.map((value) => 0.3 * value);
		const rest = layer.shift.map((value, i) => value - half[i]);
		return [
			from.relu(from.batchNorm(from.conv(x, weight), layer)),
			to.relu(to.add(to.conv(y, scaleRows(weight, layer.scale), half), rest)),
		];
	},
	'hidden channels in another order': ({ random, from, to }, [x, y]) => {
		const [first, second] = [weightOf(random, 8, WIDTH, 3), weightOf(random, WIDTH, 8, 3)];
		const [a, b] = [layerOf(random, 8), layerOf(random, WIDTH)];
		const moved = order(random, 8);
		const hidden = to.relu(to.conv(y, rowsOf(scaleRows(first, a.scale), moved), pick(a.shift, moved)));
		return [
			from.relu(from.batchNorm(from.conv(from.relu(from.batchNorm(from.conv(x, first), a)), second), b)),
			to.relu(to.conv(hidden, columnsOf(scaleRows(second, b.scale), moved), b.shift)),
		];
	},
	'channels equalized across two layers': ({ random, from, to }, [x, y]) => {
		const [first, second] = [weightOf(random, 8, WIDTH, 3), weightOf(random, WIDTH, 8, 3)];
		const [a, b] = [layerOf(random, 8), layerOf(random, WIDTH)];
		const factor = Float64Array.from({ length: 8 }, () => Math.exp(random.normal()));
		const inverse = factor.map((value) => 1 / value);
		const hidden = to.relu(to.conv(y, scaleRows(first, times(a.scale, factor)), times(a.shift, factor)));
		return [
			from.relu(from.batchNorm(from.conv(from.relu(from.batchNorm(from.conv(x, first), a)), second), b)),
			to.relu(to.conv(hidden, scaleColumns(scaleRows(second, b.scale), inverse), b.shift)),
		];
	},
	'layer moved into the next convolution': ({ random, from, to }, [x, y]) => {
		const [first, second] = [weightOf(random, 8, WIDTH, 3), weightOf(random, WIDTH, 8, 1)];
		const [a, b] = [layerOf(random, 8), layerOf(random, WIDTH)];
		const scaled = scaleRows(scaleColumns(second, a.scale), b.scale);
		const bias = sum(columnSums(scaleRows(second, b.scale), a.shift), b.shift);
		return [
			from.relu(from.batchNorm(from.conv(from.batchNorm(from.conv(x, first), a), second), b)),
			to.relu(to.conv(to.conv(y, first), scaled, bias)),
		];
	},
	'two layers merged into one convolution': ({ random, from, to }, [x, y]) => {
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const [a, b] = [layerOf(random, WIDTH), layerOf(random, WIDTH)];
		const scaled = scaleRows(weight, times(a.scale, b.scale));
		return [
			from.relu(from.batchNorm(from.batchNorm(from.conv(x, weight), a), b)),
			to.relu(to.conv(y, scaled, sum(times(a.shift, b.scale), b.shift))),
		];
	},
	'layer folded forward without padding': ({ random, from, to }, [x, y]) => {
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const layer = layerOf(random, WIDTH);
		const options = { pad: 0 };
		return [
			from.relu(from.conv(from.batchNorm(x, layer), weight, undefined, options)),
			to.relu(to.conv(y, scaleColumns(weight, layer.scale), columnSums(weight, layer.shift), options)),
		];
	},
	'pointwise convolution written as a MatMul': ({ random, from, to }, [x, y]) => {
		const weight = weightOf(random, WIDTH, WIDTH, 1);
		const layer = layerOf(random, WIDTH);
		const scaled = scaleRows(weight, layer.scale);
		const transposed = Float64Array.from(
			scaled.values,
			(_, i) => scaled.values[(i % WIDTH) * WIDTH + Math.floor(i / WIDTH)],
		);
		const last = to.node('Transpose', [y], { perm: { ints: [0, 2, 3, 1] } });
		const product = to.node('MatMul', [last, to.tensor([WIDTH, WIDTH], transposed)]);
		const biased = to.node('Add', [product, to.tensor([WIDTH], layer.shift)]);
		return [
			from.relu(from.batchNorm(from.conv(x, weight), layer)),
			to.relu(to.node('Transpose', [biased], { perm: { ints: [0, 3, 1, 2] } })),
		];
	},
	'layer kept, with the bias in its mean': ({ random, from, to }, [x, y]) => {
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const layer = layerOf(random, WIDTH);
		const bias = Float64Array.from({ length: WIDTH }, () => Math.fround(0.3 * random.normal()));
		const mean = layer.mean.map((value, i) => value - bias[i]);
		return [
			from.relu(from.batchNorm(from.conv(x, weight, bias), layer)),
			to.relu(to.batchNorm(to.conv(y, weight), { ...layer, mean })),
		];
	},
	'grouped convolution written as a dense one': ({ random, from, to }, [x, y]) => {
		const weight = weightOf(random, WIDTH, 1, 3);
		const layer = layerOf(random, WIDTH);
		const scaled = scaleRows(weight, layer.scale);
		const dense = new Float64Array(WIDTH * WIDTH * 9);
		scaled.values.forEach((value, i) => {
			const row = Math.floor(i / 9);
			dense[(row * WIDTH + row) * 9 + (i % 9)] = value;
		});
		return [
			from.relu(from.batchNorm(from.conv(x, weight, undefined, { group: WIDTH }), layer)),
			to.relu(to.conv(y, { dims: [WIDTH, WIDTH, 3, 3], values: dense }, layer.shift)),
		];
	},
	'one convolution read by two layers': ({ random, from, to }, [x, y]) => {
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const [a, b] = [layerOf(random, WIDTH), layerOf(random, WIDTH)];
		const shared = from.conv(x, weight);
		const sides = [a, b].map((layer) => from.relu(from.batchNorm(shared, layer)));
		const copies = [a, b].map((layer) => to.relu(to.conv(y, scaleRows(weight, layer.scale), layer.shift)));
		return [from.node('Add', sides), to.node('Add', copies)];
	},
} as const satisfies Readonly<Record<string, Block>>;

export type FormName = keyof typeof BLOCKS;

export const FORM_NAMES = Object.keys(BLOCKS) as readonly FormName[];

/** Builds a network with a block between two convolutions, and its deployment in a form. */
export function deployedForm(name: FormName, seed: number): DeployedForm {
	return surround(BLOCKS[name], seed);
}

/** Builds a pair of networks with a block between two convolutions that are folded correctly. */
export function surround(block: Block, seed: number): DeployedForm {
	const random = seededRandom(seed);
	const parts = { random, from: new Graph('a'), to: new Graph('b') };
	const [x, y] = foldedBlock(parts, ['x', 'x'], [WIDTH, INPUT[1]]);
	const [end, deployedEnd] = foldedBlock(parts, block(parts, [x, y]), [5, WIDTH]);
	return { original: parts.from.finish(end), deployed: parts.to.finish(deployedEnd) };
}

/** Convolution, layer and activation, folded in the natural form. */
function foldedBlock({ random, from, to }: Parts, [x, y]: readonly [string, string], size: readonly [number, number]) {
	const weight = weightOf(random, ...size, 3);
	const layer = layerOf(random, size[0]);
	return [
		from.relu(from.batchNorm(from.conv(x, weight), layer)),
		to.relu(to.conv(y, scaleRows(weight, layer.scale), layer.shift)),
	] as const;
}

/** Serializes a graph of this file. */
export function modelBytes(graph: GraphSpec): Uint8Array {
	return buildModel({ opset: 15, graph });
}
