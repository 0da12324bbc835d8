import { axesBehind, type BatchNormLayer } from '../../batchnorm/layer.js';
import { isConstant } from '../../onnx/graph/constants.js';
import type { MatchedNetworks } from '../pairing/partners.js';
import type { Network } from '../targets/network.js';

/**
 * Returns the sentences about a lost layer with a lost operator in front.
 * @param replacements of the two models; see {@link describeReplacements}
 */
export function describeAbsence(
	layer: BatchNormLayer,
	{ original }: MatchedNetworks,
	replacements: readonly string[],
): string {
	const target = original.targets.get(layer);
	if (target) {
		return `No operator of the deployed model has the shape and place of ${target.operator.name}, which feeds this layer, and the layer itself is gone.`;
	}
	const source = layer.source?.opType ?? "the model's input";
	const isLeft = source === 'MatMul' && isConstant(layer.scope, layer.source?.inputs[0] ?? '');
	return [
		isLeft
			? 'The layer is gone from the deployed model, and MatMul in front of it has its weight on the left, a form that is not read.'
			: `The layer is gone from the deployed model, and ${source} in front of it is no operator that it could have been folded into.`,
		...describeAxis(layer, original),
		...replacements,
	].join(' ');
}

/** Describes a product with its output channels on another axis than the layer's. */
function describeAxis(layer: BatchNormLayer, { beforeLayer }: Network): string[] {
	const { inputShape, channelAxis } = layer;
	const [operator, ...others] = beforeLayer.get(layer) ?? [];
	const isProduct = operator?.kind === 'MatMul' || operator?.kind === 'Gemm';
	if (!inputShape || !isProduct || others.length > 0 || axesBehind(channelAxis, inputShape.length) === 0) {
		return [];
	}
	return [
		`${operator.name} has its output channels on the last axis, and the layer has its channels on axis ${channelAxis} of rank ${inputShape.length}: scaling the weight of ${operator.name} scales along the wrong axis.`,
	];
}

/** Normalizations that compute with the statistics of each input. */
const OTHERS = ['InstanceNormalization', 'LayerNormalization', 'GroupNormalization'] as const;

/** Returns a sentence on each operator of the deployed model that normalizes in place of a lost layer. */
export function describeReplacements({ original, deployed }: MatchedNetworks): string[] {
	const countOf = ({ model: { graph } }: Network, wanted: string) =>
		graph.nodes.filter(({ opType }) => opType === wanted).length;
	return OTHERS.filter((opType) => countOf(deployed, opType) > countOf(original, opType)).map(
		(opType) =>
			`The deployed model has ${opType} that the original lacks: it computes mean and variance from each input, so that the running statistics are lost.`,
	);
}
