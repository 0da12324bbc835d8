/** Layers of the fixture models, with the weights and statistics that PyTorch gave them, for the generator to draw from. */
import { readNetwork } from '../../src/core/folding/network.js';
import { openFixture } from '../unit/support/fixtures.js';
import type { OperatorKind, RandomLayer } from './layers.js';

const MODELS = ['plain_cnn', 'depthwise', 'generator', 'conv1d', 'mlp', 'preact'];

export async function realLayers(): Promise<RandomLayer[]> {
	const layers: RandomLayer[] = [];
	for (const name of MODELS) {
		const { model, source } = await openFixture(`${name}.onnx`);
		const network = await readNetwork(model, { source });
		for (const [index, layer] of network.layers.entries()) {
			const operator = network.targets[index]?.operator;
			const weights = operator && (await network.weights.read(operator));
			const { gamma, beta, mean, variance } = layer;
			if (
				!operator ||
				typeof weights !== 'object' ||
				!(gamma.values && beta.values && mean.values && variance.values)
			) {
				continue;
			}
			const { dims } = weights;
			layers.push({
				kind: kindOf(operator.kind, dims, operator.group, operator.transB),
				op: operator.kind,
				dims,
				group: operator.group,
				transB: operator.transB,
				channels: layer.channels,
				weight: Float32Array.from(weights.weight),
				bias: weights.bias && Float32Array.from(weights.bias),
				gamma: Float32Array.from(gamma.values),
				beta: Float32Array.from(beta.values),
				mean: Float32Array.from(mean.values),
				variance: Float32Array.from(variance.values),
				epsilon: layer.epsilon,
			});
		}
	}
	return layers;
}

function kindOf(op: RandomLayer['op'], dims: readonly number[], group: number, transB: boolean): OperatorKind {
	switch (op) {
		case 'Conv':
			return dims.length === 3 ? 'Conv1d' : group === 1 ? 'Conv' : dims[1] === 1 ? 'DepthwiseConv' : 'GroupedConv';
		case 'ConvTranspose':
			return group === 1 ? 'ConvTranspose' : 'GroupedConvTranspose';
		case 'Gemm':
			return transB ? 'GemmTransposed' : 'Gemm';
		case 'MatMul':
			return 'MatMul';
	}
}
