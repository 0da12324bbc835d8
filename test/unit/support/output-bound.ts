/**
 * How far rounding can move a network's outputs, derived: every output is a sum of products of weights and inputs, each
 * term rounded at most n times on its way, so that two correct computations of it in float32 differ by no more than
 * 2 n u / (1 - n u) times the sum of the terms' magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, 3.1).
 * Relu and pooling move no two values further apart. For networks of Conv, ConvTranspose, Gemm, MatMul,
 * BatchNormalization, Add, Relu, Flatten, GlobalAveragePool and what moves elements.
 */
import type { ModelSpec, NodeSpec, TensorSpec } from './model-builder.js';

/** Unit roundoff of float32. */
const U = 2 ** -24;
/** variance + epsilon, its root, the quotient, the difference, the product and the sum; less where it is folded. */
const OF_A_LAYER = 6;

/** The network whose outputs, for |input|, are the sums of the terms' magnitudes. */
export function magnitudeModel(spec: ModelSpec): ModelSpec {
	const { nodes = [], initializers = [] } = spec.graph;
	const layers = nodes.filter(({ op }) => op === 'BatchNormalization');
	const means = new Set(layers.map(({ inputs }) => inputs?.[3] ?? ''));
	// A mean is subtracted. A variance is no term.
	const magnitude = (name: string, tensor: TensorSpec): TensorSpec => ({
		...tensor,
		values: (tensor.values ?? []).map((value) =>
			typeof value === 'number' ? (means.has(name) ? -1 : 1) * Math.abs(value) : value,
		),
	});
	const isFloat = ({ dtype }: TensorSpec) => (dtype ?? 'float32') === 'float32';
	const constant = (node: NodeSpec): NodeSpec => {
		const value = node.op === 'Constant' ? node.attributes?.value : undefined;
		return value && 't' in value && isFloat(value.t)
			? { ...node, attributes: { value: { t: magnitude(node.outputs?.[0] ?? '', value.t) } } }
			: node;
	};
	return {
		...spec,
		graph: {
			...spec.graph,
			nodes: nodes.map(constant),
			initializers: initializers.map((tensor) => (isFloat(tensor) ? magnitude(tensor.name ?? '', tensor) : tensor)),
		},
	};
}

/** How often a term is rounded at most: on the way through all of the nodes, though none goes through all. */
export function countRoundings({ graph }: ModelSpec, inputShape: readonly number[]): number {
	const tensors = new Map((graph.initializers ?? []).map((tensor) => [tensor.name ?? '', tensor]));
	const area = inputShape.slice(2).reduce((a, b) => a * b, 1);
	/** Products in one sum, and what is added and multiplied to it: the weight has so many elements an output channel. */
	const ofSum = ([, weight = '']: readonly string[], channels: (dims: readonly number[]) => number) => {
		const transposed = (graph.nodes ?? []).find(({ outputs }) => outputs?.[0] === weight)?.inputs?.[0] ?? weight;
		const dims = tensors.get(transposed)?.dims;
		if (!dims) {
			throw new Error(`${weight} is no constant.`);
		}
		return dims.reduce((a, b) => a * b, 1) / channels(dims) + 2;
	};
	const ofNode = ({ op, inputs = [] }: NodeSpec): number => {
		switch (op) {
			case 'Conv':
				return ofSum(inputs, ([outputs]) => outputs);
			case 'ConvTranspose':
				return ofSum(inputs, ([, outputs]) => outputs);
			case 'Gemm':
			case 'MatMul':
				return ofSum(inputs, (dims) => Math.min(...dims));
			case 'BatchNormalization':
				return OF_A_LAYER;
			case 'GlobalAveragePool':
				return area;
			default:
				return 1;
		}
	};
	return (graph.nodes ?? []).reduce((sum, node) => sum + ofNode(node), 0);
}

/** The bound for one output element, given the magnitude model's, which was rounded itself. */
export function outputBound(magnitude: number, roundings: number): number {
	const gamma = (roundings * U) / (1 - roundings * U);
	return 2 * gamma * magnitude * (1 + 2 * gamma);
}
