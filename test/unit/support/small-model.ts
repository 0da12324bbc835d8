import { buildModel, type GraphSpec, type TensorSpec } from './model-builder.js';

/**
 * Conv, BatchNormalization over two channels, Relu: the least that has everything.
 * @param external where gamma is kept; default: in the file.
 */
export function smallGraph(layer = 'bn', external?: TensorSpec['external']): GraphSpec {
	const weight = Array.from({ length: 2 * 3 * 3 * 3 }, (_, index) => Math.sin(index));
	return {
		inputs: [{ name: 'x', shape: ['N', 3, 8, 8] }],
		outputs: [{ name: 'y', shape: ['N', 2, 6, 6] }],
		initializers: [
			{ name: 'w', dims: [2, 3, 3, 3], values: weight },
			{ name: 'gamma', dims: [2], ...(external ? { external } : { values: [1, 2] }) },
			{ name: 'beta', values: [0, 1] },
			{ name: 'mean', values: [0.5, -0.5] },
			{ name: 'variance', values: [1, 4] },
		],
		nodes: [
			{ op: 'Conv', name: 'conv', inputs: ['x', 'w'], outputs: ['c'] },
			{
				op: 'BatchNormalization',
				name: layer,
				inputs: ['c', 'gamma', 'beta', 'mean', 'variance'],
				outputs: ['b'],
			},
			{ op: 'Relu', name: 'relu', inputs: ['b'], outputs: ['y'] },
		],
	};
}

export function smallModel(layer?: string, external?: TensorSpec['external']): Uint8Array {
	return buildModel({ graph: smallGraph(layer, external) });
}
