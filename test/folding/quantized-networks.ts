/** Networks around one layer that is folded with faults, as graphs that a quantizer then writes in its form. */
import type { Random } from '../../src/engine/child/tensors/random.js';
import { seededRandom } from '../../src/engine/child/tensors/random.js';
import type { GraphSpec, NodeSpec, TensorSpec } from '../unit/support/model-builder.js';
import { type FaultSet, foldWith } from './cases.js';
import { type OperatorKind, outputChannel, type RandomLayer, randomLayer } from './layers.js';
import type { Folded } from './tool.js';

export interface FaultyNetwork {
	readonly original: GraphSpec;
	/** Folded in float32, with the faults in one layer. */
	readonly deployed: GraphSpec;
	readonly layer: RandomLayer;
	/** Name of the BatchNormalization node with the faults. */
	readonly name: string;
}

/** Writes one of the two models. */
class Side {
	readonly nodes: NodeSpec[] = [];
	readonly initializers: TensorSpec[] = [];
	readonly #prefix: string;

	constructor(prefix: string) {
		this.#prefix = prefix;
	}

	tensor(values: ArrayLike<number>, dims: readonly number[] = [values.length]): string {
		const name = `${this.#prefix}${this.initializers.length}`;
		this.initializers.push({ name, dims, values: Array.from(values) });
		return name;
	}

	node(op: string, inputs: readonly string[], attributes: NodeSpec['attributes'] = {}): string {
		const output = `${this.#prefix}${op}${this.nodes.length}`;
		this.nodes.push({ op, name: `${op}_${this.nodes.length}`, inputs, outputs: [output], attributes });
		return output;
	}

	operator({ op, dims, group, transB, channels }: RandomLayer, x: string, { weight, bias }: Constants): string {
		const inputs = [x, this.tensor(weight, dims)];
		const size = (dims[2] - 1) >> 1;
		const pads = { ints: dims.slice(2).flatMap(() => [size, size]) };
		const spatial: NodeSpec['attributes'] =
			op === 'Conv' ? { pads } : { strides: { ints: dims.slice(2).map(() => 2) } };
		if (op === 'MatMul') {
			const product = this.node(op, inputs);
			return bias ? this.node('Add', [product, this.tensor(bias)]) : product;
		}
		if (bias) {
			inputs.push(this.tensor(bias, [channels]));
		}
		return this.node(
			op,
			inputs,
			op === 'Gemm' ? { transB: { i: transB ? 1 : 0 } } : { group: { i: group }, ...spatial },
		);
	}

	batchNorm(x: string, { gamma, beta, mean, variance, epsilon }: RandomLayer): string {
		const parameters = [gamma, beta, mean, variance].map((values) => this.tensor(values));
		return this.node('BatchNormalization', [x, ...parameters], { epsilon: { f: epsilon } });
	}

	get last(): string {
		return this.nodes[this.nodes.length - 1].name ?? '';
	}

	finish(output: string, shape: readonly number[]): GraphSpec {
		const { nodes, initializers } = this;
		return { nodes, initializers, inputs: [{ name: 'x', shape }], outputs: [output] };
	}
}

interface Constants {
	readonly weight: Float32Array;
	readonly bias: Float32Array | null;
}

type Pair = readonly [original: string, deployed: string];

/** Writes the layers of a network into both models. */
export class NetworkWriter {
	readonly from = new Side('a');
	readonly to = new Side('b');
	readonly random: Random;
	readonly #set: FaultSet;
	readonly #seed: number;
	readonly #channels: number;
	#faulty: { readonly layer: RandomLayer; readonly name: string } | undefined;

	constructor(set: FaultSet, seed: number, channels: number) {
		[this.random, this.#set, this.#seed, this.#channels] = [seededRandom(seed), set, seed, channels];
	}

	/** Draws a layer of a kind with statistics that fit its values. */
	draw(kind: OperatorKind, isFaulty = false): RandomLayer {
		const wishes = isFaulty ? Object.assign({}, ...this.#set.faults.map((fault) => fault.wishes ?? {})) : {};
		const layer = randomLayer(this.random, this.#channels, { ...wishes, kind, square: true });
		// Inputs are about as large as a normalized tensor, so that each channel has its stated variance.
		const deviation = layer.variance.map(Math.sqrt);
		const weight = layer.weight.map((w, i) => w * deviation[outputChannel(layer, i)]);
		const mean = layer.mean.map((value, c) => value * deviation[c]);
		const bias = layer.bias?.map((value, c) => value * deviation[c]) ?? null;
		return { ...layer, weight, mean, bias };
	}

	/** Folds a layer; with the faults if it is the faulty one. */
	fold(layer: RandomLayer, isFaulty = false): Folded {
		return foldWith(layer, isFaulty ? this.#set : { faults: [] }, this.#seed);
	}

	/** Adds an operator with its layer, folded. */
	layer(kind: OperatorKind, [x, y]: Pair, isFaulty = false): Pair {
		const layer = this.draw(kind, isFaulty);
		const normalized = this.from.batchNorm(this.from.operator(layer, x, layer), layer);
		if (isFaulty) {
			this.#faulty = { layer, name: this.from.last };
		}
		return [normalized, this.to.operator(layer, y, this.fold(layer, isFaulty))];
	}

	each(write: (side: Side, index: 0 | 1) => string): Pair {
		return [write(this.from, 0), write(this.to, 1)];
	}

	relu(at: Pair): Pair {
		return this.each((side, index) => side.node('Relu', [at[index]]));
	}

	finish(outputs: Pair, shape: readonly number[]): FaultyNetwork {
		if (!this.#faulty) {
			throw new Error('no layer has the faults');
		}
		return {
			original: this.from.finish(outputs[0], shape),
			deployed: this.to.finish(outputs[1], shape),
			...this.#faulty,
		};
	}
}

export interface Architecture {
	readonly name: string;
	/** Operator of the layer with the faults. */
	readonly kind: OperatorKind;
	/** Operator of the layers in front and behind. */
	readonly around: OperatorKind;
	/** Axes behind the channels. */
	readonly space: readonly number[];
	/** Writes what stands between the layers in front and behind. */
	readonly block: (to: NetworkWriter, at: Pair) => Pair;
}

/** The layer with the faults, and an activation. */
const alone =
	(kind: OperatorKind): Architecture['block'] =>
	(to, at) =>
		to.relu(to.layer(kind, at, true));

const SPACE = [6, 6];

export const ARCHITECTURES: readonly Architecture[] = [
	{ name: 'convolution', kind: 'Conv', around: 'Conv', space: SPACE, block: alone('Conv') },
	{
		name: 'residual',
		kind: 'Conv',
		around: 'Conv',
		space: SPACE,
		block: (to, at) => {
			const branch = to.layer('Conv', at, true);
			return to.relu(to.each((side, index) => side.node('Add', [branch[index], at[index]])));
		},
	},
	{
		name: 'depthwise',
		kind: 'DepthwiseConv',
		around: 'Conv',
		space: SPACE,
		block: alone('DepthwiseConv'),
	},
	{
		name: 'x sigmoid(x)',
		kind: 'Conv',
		around: 'Conv',
		space: SPACE,
		block: (to, at) => {
			const branch = to.layer('Conv', at, true);
			return to.each((side, index) => side.node('Mul', [branch[index], side.node('Sigmoid', [branch[index]])]));
		},
	},
	{ name: 'grouped', kind: 'GroupedConv', around: 'Conv', space: SPACE, block: alone('GroupedConv') },
	{ name: 'ConvTranspose', kind: 'ConvTranspose', around: 'Conv', space: SPACE, block: alone('ConvTranspose') },
	{ name: 'Conv1d', kind: 'Conv1d', around: 'Conv1d', space: [24], block: alone('Conv1d') },
	{ name: 'Linear', kind: 'GemmTransposed', around: 'GemmTransposed', space: [], block: alone('GemmTransposed') },
	{ name: 'MatMul', kind: 'MatMul', around: 'MatMul', space: [], block: alone('MatMul') },
	{
		name: 'two branches joined',
		kind: 'Conv',
		around: 'Conv',
		space: SPACE,
		block: (to, at) => {
			const branches = [to.layer('Conv', at, true), to.relu(to.layer('DepthwiseConv', at))];
			return to.each((side, index) =>
				side.node('Mul', [branches[0][index], side.node('Sigmoid', [branches[1][index]])]),
			);
		},
	},
];

/** Examples in a batch. */
const BATCH = 4;

/** Builds a network of an architecture with a layer that is folded with the faults. */
export function faultyNetwork(
	{ block, around, space }: Architecture,
	set: FaultSet,
	{ seed, channels }: { readonly seed: number; readonly channels: number },
): FaultyNetwork {
	const writer = new NetworkWriter(set, seed, channels);
	const first = writer.relu(writer.layer(around, ['x', 'x']));
	const last = writer.relu(writer.layer(around, block(writer, first)));
	return writer.finish(last, [BATCH, channels, ...space]);
}
