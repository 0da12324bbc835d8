import type { BatchNormLayer } from '../batchnorm/layer.js';
import { layerParameters } from '../folding/operators/layer-parameters.js';
import type { LinearOperator } from '../folding/operators/linear.js';
import type { OperatorWeights } from '../folding/operators/weights.js';
import type { OperatorPair } from '../folding/pairing/pairing.js';
import type { MatchedNetworks } from '../folding/pairing/partners.js';
import { foldBack } from '../folding/rewrite/fold-model.js';
import { foldForward, isPaddedForward } from '../folding/targets/forward.js';
import { extendedLayers } from '../folding/targets/layers-behind.js';
import { withLayers } from '../folding/targets/target.js';
import { failure, type Result, success } from '../result.js';

/** Layers of the original that are gone from the deployed model, around a common operator. */
export interface RemovedLayers {
	/** The layer in front of the operator, folded forward, if any. */
	readonly forward: BatchNormLayer | undefined;
	/** Layers behind the operator, in the order in which they act. */
	readonly back: readonly BatchNormLayer[];
}

/** Returns the layers that the deployed counterpart of an operator has to carry. */
export function removedLayers({ original, kept, pairing }: MatchedNetworks, operator: LinearOperator): RemovedLayers {
	const isGone = (layer: BatchNormLayer) => !kept.has(layer);
	const wentBackward = (layer: BatchNormLayer) => {
		const target = original.targets.get(layer);
		return target !== undefined && pairing.byOriginal.has(target.operator);
	};
	return {
		forward: original.layers.find(
			(layer) => isGone(layer) && !wentBackward(layer) && original.forwards.get(layer)?.operator === operator,
		),
		back: original.layers.filter((layer) => isGone(layer) && original.targets.get(layer)?.operator === operator),
	};
}

/**
 * Returns the constants that an operator's deployed counterpart should have, in the layout of the original and in
 * float64: all removed layers folded in, apart from a layer in front of an operator that pads its input.
 * @param absorbed number of Mul and Add nodes behind the last layer that went into the operator, too
 */
export async function rightConstants(
	models: MatchedNetworks,
	pair: Pick<OperatorPair, 'original'>,
	absorbed: number,
): Promise<Result<OperatorWeights>> {
	const { original, kept } = models;
	const read = await original.weights.read(pair.original);
	if (!read.ok) {
		return read;
	}
	const { forward, back } = removedLayers(models, pair.original);
	let weights = read.value;
	if (forward && !isPaddedForward(forward, pair.original)) {
		const parameters = layerParameters(forward);
		const route = original.forwards.get(forward);
		const fold = parameters.ok && route ? foldForward(route, weights, parameters.value) : undefined;
		if (!parameters.ok || !fold) {
			return failure(`the channels of ${forward.name} do not fit the operator behind it`);
		}
		weights = fold.weights;
	}
	for (const layer of back) {
		const target = original.targets.get(layer);
		const parameters = layerParameters(layer);
		if (!parameters.ok || !target) {
			return parameters.ok ? failure('it does not fold into an operator in front of it') : parameters;
		}
		const extended =
			layer === back.at(-1) && absorbed > 0
				? (await extendedLayers(layer, parameters.value, original.weights))[absorbed - 1]
				: undefined;
		const whole = withLayers(target, (earlier) => !kept.has(earlier));
		weights = foldBack(weights, whole, extended?.parameters ?? parameters.value);
	}
	return success(weights);
}
