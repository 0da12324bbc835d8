/** Writes a network with its BatchNormalizations, and what a folding tool made of it, as two ONNX files. */
import type { Random } from '../../src/engine/child/tensors/random.js';
import { buildModel, type ModelSpec, type NodeSpec, type TensorSpec } from '../unit/support/model-builder.js';
import { GEMM_BETA } from './faults.js';
import type { RandomLayer } from './layers.js';
import type { Folded } from './tool.js';

export interface PairedLayer {
	readonly layer: RandomLayer;
	readonly folded: Folded;
	/** Gemm's beta is not 1 in either file. */
	readonly hasGemmBeta: boolean;
	/** The deployed weights are float16 tensors. */
	readonly isHalf: boolean;
}

interface Writer {
	readonly nodes: NodeSpec[];
	readonly initializers: TensorSpec[];
	/** A name that says nothing: each file has its own. */
	readonly name: () => string;
}

function writer(prefix: string): Writer {
	let count = 0;
	return { nodes: [], initializers: [], name: () => `${prefix}${count++}` };
}

function tensor(to: Writer, values: Float32Array, dims: readonly number[], isHalf = false): string {
	const name = to.name();
	to.initializers.push({ name, dims, values: Array.from(values), ...(isHalf && { dtype: 'float16' as const }) });
	return name;
}

/** The linear operator with its constants; a MatMul's bias is a separate Add. */
function operator(
	to: Writer,
	{ layer, hasGemmBeta, isHalf }: PairedLayer,
	x: string,
	{ weight, bias }: NullableFolded,
): string {
	const beta = hasGemmBeta ? GEMM_BETA : 1;
	const { op, dims, group, transB } = layer;
	const inputs = [x, tensor(to, weight, dims, isHalf)];
	const isSeparate = op === 'MatMul';
	if (bias && !isSeparate) {
		const c = op === 'Gemm' ? bias.map((value) => value / beta) : bias;
		inputs.push(tensor(to, c, [layer.channels], isHalf));
	}
	const attributes: NodeSpec['attributes'] =
		op === 'Gemm'
			? { transB: { i: transB ? 1 : 0 }, beta: { f: beta } }
			: op === 'MatMul'
				? {}
				: { group: { i: group } };
	const y = to.name();
	to.nodes.push({ op, name: to.name(), inputs, outputs: [y], attributes });
	if (!bias || !isSeparate) {
		return y;
	}
	const sum = to.name();
	to.nodes.push({ op: 'Add', inputs: [y, tensor(to, bias, [layer.channels], isHalf)], outputs: [sum] });
	return sum;
}

interface NullableFolded {
	readonly weight: Float32Array;
	readonly bias: Float32Array | null;
}

function relu(to: Writer, x: string): string {
	const y = to.name();
	to.nodes.push({ op: 'Relu', inputs: [x], outputs: [y] });
	return y;
}

/** Both files; the deployed one has other names, and its initializers in another order. */
export function buildPair(layers: readonly PairedLayer[], random: Random): readonly [Uint8Array, Uint8Array] {
	const [original, deployed] = describePair(layers, random);
	return [buildModel(original), buildModel(deployed)];
}

/**
 * Descriptions of both files, before they are written.
 * @param input channels and size of the image axes of the input; open by default
 */
export function describePair(
	layers: readonly PairedLayer[],
	random: Random,
	input: { readonly channels: number | null; readonly size: number | null } = { channels: null, size: null },
): readonly [ModelSpec, ModelSpec] {
	const [own, other] = [writer('a'), writer('b')];
	let [x, y] = ['input', 'input'];
	for (const paired of layers) {
		const { layer } = paired;
		const unfolded = operator(own, { ...paired, isHalf: false }, x, layer);
		const parameters = [layer.gamma, layer.beta, layer.mean, layer.variance].map((values) =>
			tensor(own, values, [layer.channels]),
		);
		x = own.name();
		const attributes = { epsilon: { f: layer.epsilon } };
		own.nodes.push({ op: 'BatchNormalization', inputs: [unfolded, ...parameters], outputs: [x], attributes });
		x = relu(own, x);
		y = relu(other, operator(other, paired, y, paired.folded));
	}
	other.initializers.sort(() => random.uniform() - 0.5);
	const isDense = ['Gemm', 'MatMul'].includes(layers[0].layer.op);
	const space = layers[0].layer.dims.slice(2).map(() => input.size);
	const shape = isDense ? ['N', input.channels] : ['N', input.channels, ...space];
	return [finish(own, x, shape), finish(other, y, shape)];
}

function finish(
	{ nodes, initializers }: Writer,
	output: string,
	shape: readonly (string | number | null)[],
): ModelSpec {
	return { graph: { nodes, initializers, inputs: [{ name: 'input', shape }], outputs: [output] } };
}
