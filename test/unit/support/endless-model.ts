import { buildModel } from './model-builder.js';

/**
 * A model whose Loop has no end, because it has 2^62 iterations. A layer follows it, behind a Conv if `withConv`, so
 * that the layer can be folded.
 */
export function endlessModel({ withConv = false } = {}): Uint8Array {
	const shape = [1, 4, 2, 2];
	const weight = Array.from({ length: 16 }, (_, index) => Math.sin(index + 1));
	return buildModel({
		graph: {
			inputs: [{ name: 'x', shape }],
			outputs: [{ name: 'y', shape }],
			initializers: [
				{ name: 'M', dtype: 'int64', dims: [], values: [2n ** 62n] },
				{ name: 'w', dims: [4, 4, 1, 1], values: weight },
				...['g', 'b', 'm', 'v'].map((name) => ({ name, values: [1, 1, 1, 1] })),
			],
			nodes: [
				{
					op: 'Loop',
					inputs: ['M', '', 'x'],
					outputs: ['o'],
					attributes: {
						body: {
							g: {
								inputs: [
									{ name: 'i', dtype: 'int64', shape: [] },
									{ name: 'ci', dtype: 'bool', shape: [] },
									{ name: 'xi', shape },
								],
								outputs: [
									{ name: 'co', dtype: 'bool', shape: [] },
									{ name: 't', shape },
								],
								nodes: [
									{ op: 'Relu', inputs: ['xi'], outputs: ['t'] },
									{ op: 'Identity', inputs: ['ci'], outputs: ['co'] },
								],
							},
						},
					},
				},
				{ op: withConv ? 'Conv' : 'Identity', inputs: withConv ? ['o', 'w'] : ['o'], outputs: ['c'] },
				{ op: 'BatchNormalization', inputs: ['c', 'g', 'b', 'm', 'v'], outputs: ['y'] },
			],
		},
	});
}
