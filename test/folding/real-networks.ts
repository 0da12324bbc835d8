/** The fixture models, rightly folded, and those of their layers that the generator can fold wrongly instead. */

import type { BatchNormLayer } from '../../src/core/batchnorm/layer.js';
import { type Network, readNetwork } from '../../src/core/folding/targets/network.js';
import { openFixture } from '../unit/support/fixtures.js';
import { foldedModel } from '../unit/support/folded.js';
import { buildModel, type ModelSpec } from '../unit/support/model-builder.js';
import { type OpenModel, openBytes } from '../unit/support/open.js';
import { specOf } from '../unit/support/respec.js';
import type { OperatorKind, RandomLayer } from './layers.js';
import type { Folded } from './tool.js';

const MODELS = ['plain_cnn', 'depthwise', 'generator', 'conv1d', 'mlp', 'preact'];

/** A layer of a real network, with the weights and statistics that PyTorch gave it. */
export interface RealLayer {
	readonly layer: RandomLayer;
	readonly original: OpenModel;
	/** Place among the network's layers. */
	readonly index: number;
	/** The right fold of all layers, and the names of the tensors in it that this layer went into. */
	readonly folded: ModelSpec;
	readonly weight: string;
	readonly bias: string;
}

export async function realLayers(): Promise<RealLayer[]> {
	const layers = await Promise.all(MODELS.map(layersOf));
	return layers.flat();
}

async function layersOf(name: string): Promise<RealLayer[]> {
	const original = await openFixture(`${name}.onnx`);
	const deployed = await openBytes(await foldedModel(original.bytes));
	const folded = await specOf(deployed);
	const network = await readNetwork(original.model, { source: original.source });
	const foldedNetwork = await readNetwork(deployed.model, { source: deployed.source });
	const left = new Set(foldedNetwork.layers.map((layer) => layer.name));
	const found: RealLayer[] = [];
	for (const [index, normalization] of network.layers.entries()) {
		const layer = left.has(normalization.name) ? undefined : await readLayer(network, normalization);
		// A fold leaves the operators in their order.
		const operator = network.targets.get(normalization)?.operator;
		const [, weight, bias] = foldedNetwork.operators[operator?.index ?? -1]?.node.inputs ?? [];
		if (layer && weight && bias) {
			found.push({ layer, original, index, folded, weight, bias });
		}
	}
	return found;
}

async function readLayer({ targets, weights }: Network, layer: BatchNormLayer): Promise<RandomLayer | undefined> {
	const { channels, epsilon, gamma, beta, mean, variance } = layer;
	const operator = targets.get(layer)?.operator;
	const read = operator && (await weights.read(operator));
	if (!operator || !read?.ok || !(gamma.values && beta.values && mean.values && variance.values)) {
		return undefined;
	}
	const { kind, group, transB } = operator;
	const { dims, weight, bias } = read.value;
	return {
		kind: kindOf(kind, dims, group, transB),
		op: kind,
		dims,
		group,
		transB,
		channels,
		weight: Float32Array.from(weight),
		bias: bias && Float32Array.from(bias),
		gamma: Float32Array.from(gamma.values),
		beta: Float32Array.from(beta.values),
		mean: Float32Array.from(mean.values),
		variance: Float32Array.from(variance.values),
		epsilon,
	};
}

/** The network, with this layer folded so. */
export function deployedWith({ folded, weight, bias }: RealLayer, values: Folded): Uint8Array {
	const initializers = folded.graph.initializers?.map((tensor) => {
		const changed = tensor.name === weight ? values.weight : tensor.name === bias ? values.bias : undefined;
		return changed ? { ...tensor, values: Array.from(changed) } : tensor;
	});
	return buildModel({ ...folded, graph: { ...folded.graph, ...(initializers && { initializers }) } });
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
