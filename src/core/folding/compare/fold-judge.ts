import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { layerParameters } from '../operators/layer-parameters.js';
import type { LinearOperator } from '../operators/linear.js';
import type { OperatorWeights } from '../operators/weights.js';
import type { OperatorPair } from '../pairing/pairing.js';
import type { MatchedNetworks, PartnerReader, ReadPair } from '../pairing/partners.js';
import { addedBehind } from '../targets/added-behind.js';
import { foldForward } from '../targets/forward.js';
import { extendedLayers } from '../targets/layers-behind.js';
import { type FoldTarget, withLayers } from '../targets/target.js';
import { isShifted, shiftInFront, withShift } from './deployed-around.js';
import { wrongForwardFolds } from './forward-faults.js';
import { cannotTell, type Verdict } from './judge-fold.js';
import { type FoldVariant, isRight, judgeVariant, judgeVariants } from './judge-variants.js';
import { addPairing } from './placement-verdicts.js';

/** Weights of a deployed operator with the shift in front of it, a value per input channel. */
export interface ShiftedWeights {
	readonly deployedWeights: OperatorWeights;
	readonly shift: Float64Array;
}

/** Judges layers that were folded into the operator in front of them. */
export class FoldJudge {
	readonly #models: MatchedNetworks;
	readonly #partners: PartnerReader;
	/** Last removed layer behind each layer that folds into the same operator. */
	readonly #lasts: ReadonlyMap<BatchNormLayer, BatchNormLayer>;
	/** Layers that may have been folded forward, by the operator behind them. */
	readonly #forward: ReadonlyMap<LinearOperator, BatchNormLayer>;

	constructor(models: MatchedNetworks, partners: PartnerReader) {
		this.#models = models;
		this.#partners = partners;
		this.#lasts = new Map(
			models.original.layers.flatMap((last) => {
				const earlier = models.kept.has(last) ? [] : (models.original.targets.get(last)?.earlier ?? []);
				return earlier.map(({ layer }) => [layer, last] as const);
			}),
		);
		this.#forward = new Map(
			models.original.layers.flatMap((layer) => {
				const operator = this.#wentBackward(layer) ? undefined : models.original.forwards.get(layer)?.operator;
				return operator ? [[operator, layer] as const] : [];
			}),
		);
	}

	/**
	 * Returns the fold target of a layer. Of the layers before it only the removed layers count, because the rest are
	 * still there.
	 */
	target(layer: BatchNormLayer): FoldTarget | undefined {
		const { original, kept } = this.#models;
		const target = original.targets.get(layer);
		return target && withLayers(target, (earlier) => !kept.has(earlier));
	}

	/** Returns the last layer that folds into the layer's operator. Only its weights can be compared. */
	lastOnOperator(layer: BatchNormLayer): BatchNormLayer {
		return this.#lasts.get(layer) ?? layer;
	}

	/** Judges a layer, and the layers that went into the operator with it, by the operator's weights. */
	async judge(layer: BatchNormLayer, pair: OperatorPair): Promise<Verdict> {
		const { original, deployed } = this.#models;
		const target = this.target(layer);
		const parameters = layerParameters(layer);
		const weights = await this.#partners.read(pair);
		if (!target || !parameters.ok || !weights.ok) {
			return cannotTell(weights.ok ? `${layer.name} cannot have been folded.` : weights.reason);
		}
		const natural = { parameters: parameters.value, operators: [] };
		const additions = await addedBehind(pair.deployed, target.rows, deployed.weights);
		const extended = await extendedLayers(layer, parameters.value, original.weights);
		const shifted = await this.shiftedWeights(weights.value);
		const variants = [weights.value, ...(shifted ? [{ ...weights.value, ...shifted }] : [])].flatMap((read) =>
			additions.flatMap((deployedAddition) =>
				this.originalWeights(read).flatMap((originalWeights) =>
					[natural, ...extended].map(
						(extension): FoldVariant => ({ ...read, originalWeights, deployedAddition, ...extension }),
					),
				),
			),
		);
		const verdict = judgeVariants(variants, target);
		const beside = verdict.status === 'mismatch' ? this.besideForwardFault(variants, target) : undefined;
		return addPairing(beside ?? verdict, pair);
	}

	/**
	 * Returns the operator's original weights. Adds a variant with the layer in front folded forward into them, if there
	 * may be such a layer.
	 */
	originalWeights({ pair, originalWeights }: ReadPair): readonly OperatorWeights[] {
		const layer = this.#forward.get(pair.original);
		const parameters = layer && layerParameters(layer);
		const route = layer && this.#models.original.forwards.get(layer);
		const forward = parameters?.ok && route ? foldForward(route, originalWeights, parameters.value) : undefined;
		return forward ? [originalWeights, forward.weights] : [originalWeights];
	}

	/**
	 * Returns the deployed operator's weights with a constant that is added in front of it, in the place of a layer that
	 * was folded forward.
	 */
	async shiftedWeights({ pair, deployedWeights }: ReadPair): Promise<ShiftedWeights | undefined> {
		const layer = this.#forward.get(pair.original);
		const shift =
			layer && !isShifted(layer)
				? await shiftInFront(pair.deployed, deployedWeights, this.#models.deployed.weights)
				: undefined;
		const weights = shift && withShift(pair.deployed, deployedWeights, shift);
		return weights && { deployedWeights: weights, shift };
	}

	/** Returns the verdict of the first variant that is right if a layer in front was folded forward wrongly. */
	besideForwardFault(variants: readonly FoldVariant[], target: FoldTarget): Verdict | undefined {
		const [{ pair, originalWeights }] = variants;
		const layer = this.#forward.get(pair.original);
		const route = layer && this.#models.original.forwards.get(layer);
		const parameters = layer && layerParameters(layer);
		if (!parameters?.ok || !route) {
			return undefined;
		}
		const natural = variants.filter((variant) => variant.originalWeights === originalWeights);
		for (const { weights } of wrongForwardFolds(route, originalWeights, parameters.value)) {
			const right = natural
				.map((variant): FoldVariant => ({ ...variant, originalWeights: weights }))
				.find((variant) => isRight(variant, target));
			if (right) {
				return judgeVariant(right, target);
			}
		}
		return undefined;
	}

	/** True if the layer was kept, or the operator before it has a counterpart. */
	#wentBackward(layer: BatchNormLayer): boolean {
		return this.#models.kept.has(layer) || this.#partners.pairBefore(layer) !== undefined;
	}
}
