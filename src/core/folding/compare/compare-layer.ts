import { contentFingerprint } from '../../batchnorm/content-fingerprint.js';
import type { BatchNormLayer } from '../../batchnorm/layer.js';
import type { FoldedInto, LayerComparison } from '../../report/comparison/comparison.js';
import { expectedFold, type FoldParameters } from '../operators/expected.js';
import { identityParameters, layerParameters } from '../operators/layer-parameters.js';
import type { LinearOperator } from '../operators/linear.js';
import type { Addition } from '../operators/quantization-grid.js';
import type { OperatorWeights } from '../operators/weights.js';
import type { OperatorPair } from '../pairing/pairing.js';
import { type MatchedNetworks, PartnerReader, type ReadPair } from '../pairing/partners.js';
import { addedBehind } from '../targets/added-behind.js';
import { type ForwardFold, foldForward, operatorBehindPad, padsItsInput } from '../targets/forward.js';
import { extendedLayers } from '../targets/layers-behind.js';
import { directTarget, type FoldTarget, withLayers } from '../targets/target.js';
import { judgeBroadcast } from './broadcast-scale.js';
import { isShifted, isShiftOf, shiftInFront, withLayerBehind, withShift } from './deployed-around.js';
import { describeAbsence } from './describe-absence.js';
import { type WrongForwardFold, wrongForwardFolds } from './forward-faults.js';
import { type JudgedLayer, judgeAcross } from './judge-across.js';
import { type ChainLayer, judgeChain } from './judge-chain.js';
import { cannotTell, type Verdict } from './judge-fold.js';
import { judgeKept } from './judge-kept.js';
import { type FoldVariant, isRight, isRightOrRounded, judgeVariant, judgeVariants } from './judge-variants.js';
import { parameterSteps } from './kept-rounding.js';
import { isNeutral } from './neutral-layer.js';
import {
	addPairing,
	reportBorderElsewhere,
	reportChangedWeights,
	reportFoldedAndKept,
	reportForwardFault,
	reportLost,
	reportPaddedForward,
	reportWithKept,
} from './placement-verdicts.js';
import { toChannels } from './rows-to-channels.js';
import { precisionFindings, withPrecision } from './survived-precision.js';

/** Judges the layers of the original, a call per layer. */
export class LayerComparer {
	readonly #models: MatchedNetworks;
	readonly #partners: PartnerReader;
	/** Last removed layer behind each layer that folds into the same operator. */
	readonly #lasts: ReadonlyMap<BatchNormLayer, BatchNormLayer>;
	/** Layers that may have been folded forward, by the operator behind them. */
	readonly #forward: ReadonlyMap<LinearOperator, BatchNormLayer>;

	constructor(models: MatchedNetworks) {
		this.#models = models;
		this.#lasts = new Map(
			models.original.layers.flatMap((last) => {
				const earlier = models.kept.has(last) ? [] : (models.original.targets.get(last)?.earlier ?? []);
				return earlier.map(({ layer }) => [layer, last] as const);
			}),
		);
		this.#partners = new PartnerReader(models);
		this.#forward = new Map(
			models.original.layers.flatMap((layer) => {
				const operator = this.#wentBackward(layer) ? undefined : models.original.forwards.get(layer)?.operator;
				return operator ? [[operator, layer] as const] : [];
			}),
		);
	}

	/** @param next the layer of the following call; its weights are read meanwhile. */
	async compare(layer: BatchNormLayer, next: BatchNormLayer | undefined): Promise<LayerComparison> {
		this.#partners.announce(next);
		const { verdict, operator } = await this.#judge(layer);
		const rows = this.#models.original.targets.get(layer)?.rows;
		const perChannel = rows && operator ? toChannels(verdict.perChannel, rows, layer.channels) : verdict.perChannel;
		const findings = precisionFindings(perChannel);
		return {
			name: layer.name,
			fingerprint: contentFingerprint(layer),
			...verdict,
			perChannel,
			evidence: [verdict.evidence, ...findings.map(({ message }) => message)].join(' '),
			...(findings.length > 0 && { findings }),
			into: operator && describeOperator(operator),
		};
	}

	/** True if the layer was kept, or the operator before it has a counterpart. */
	#wentBackward(layer: BatchNormLayer): boolean {
		return this.#models.kept.has(layer) || this.#partners.pairBefore(layer) !== undefined;
	}

	/**
	 * Returns the fold target of a layer. Of the layers before it only the removed layers count, because the rest are
	 * still there.
	 */
	#target(layer: BatchNormLayer): FoldTarget | undefined {
		const { original, kept } = this.#models;
		const target = original.targets.get(layer);
		return target && withLayers(target, (earlier) => !kept.has(earlier));
	}

	async #judge(layer: BatchNormLayer): Promise<JudgedLayer> {
		const pair = this.#partners.pairBefore(layer);
		const operator = pair?.deployed ?? null;
		const keptAs = this.#models.kept.get(layer);
		if (keptAs) {
			const verdict = await this.#judgeInFront(
				layer,
				keptAs,
				judgeKept(layer, keptAs, await parameterSteps(keptAs, this.#models.deployed.weights)),
			);
			// The original may already have this scale and shift behind the layer.
			const isChain = verdict.status === 'mismatch' && keptAs.kind === 'decomposed';
			const folded = isChain && pair ? await this.#judgeFolded(layer, pair) : verdict;
			const together =
				verdict.status === 'mismatch' && pair ? await this.#judgeWithKept(layer, keptAs, pair) : undefined;
			return { verdict: folded.status === 'match' ? folded : (together ?? verdict), operator };
		}
		const parameters = layerParameters(layer);
		if (!parameters.ok) {
			return { verdict: cannotTell(`The layer cannot have been folded: ${parameters.reason}`), operator };
		}
		return pair
			? { verdict: await this.#judgeFoldedTogether(layer, pair), operator }
			: this.#judgeFoldedForward(layer, parameters.value);
	}

	/** Judges consecutive layers in an operator together, and separates them if the fold is wrong. */
	async #judgeFoldedTogether(layer: BatchNormLayer, pair: OperatorPair): Promise<Verdict> {
		const last = this.#lastOnOperator(layer);
		const whole = await this.#judgeFolded(last, pair);
		const chain = this.#chain(last);
		const weights = await this.#partners.read(pair);
		if (whole.status !== 'mismatch' || chain.length < 2 || !weights.ok) {
			return whole;
		}
		const additions = await addedBehind(
			pair.deployed,
			chain[chain.length - 1].target.rows,
			this.#models.deployed.weights,
		);
		const verdicts = judgeChain(chain, { weights: weights.value, additions, whole });
		return addPairing(verdicts.get(layer) ?? whole, pair);
	}

	/** Returns the layers that went into an operator together: the last layer and the removed layers before it. */
	#chain(last: BatchNormLayer): readonly ChainLayer[] {
		const layers = [...(this.#target(last)?.earlier ?? []).map(({ layer }) => layer), last];
		const chain = layers.flatMap((layer): ChainLayer[] => {
			const target = this.#target(layer);
			const parameters = layerParameters(layer);
			return target && parameters.ok ? [{ layer, target, parameters: parameters.value }] : [];
		});
		return chain.length === layers.length ? chain : [];
	}

	/** Returns the last layer that folds into the layer's operator. Only its weights can be compared. */
	#lastOnOperator(layer: BatchNormLayer): BatchNormLayer {
		return this.#lasts.get(layer) ?? layer;
	}

	/** Returns a verdict if weights and kept layer are right together: the layer was folded, or a bias went into it. */
	async #judgeWithKept(
		layer: BatchNormLayer,
		keptAs: BatchNormLayer,
		pair: OperatorPair,
	): Promise<Verdict | undefined> {
		const target = this.#target(layer);
		const behind = this.#models.deployed.targets.get(keptAs);
		const parameters = layerParameters(layer);
		const weights = await this.#partners.read(pair);
		const deployedWeights =
			weights.ok && behind?.operator === pair.deployed
				? withLayerBehind(weights.value.deployedWeights, behind, keptAs)
				: undefined;
		if (!target || !parameters.ok || !weights.ok || !deployedWeights) {
			return undefined;
		}
		const common = { ...weights.value, deployedWeights, deployedAddition: null, operators: [] };
		const right = this.#originalWeights(weights.value)
			.map((originalWeights): FoldVariant => ({ ...common, originalWeights, parameters: parameters.value }))
			.find((variant) => isRight(variant, target));
		return right && reportWithKept(judgeVariant(right, target), keptAs.name, isNeutral(keptAs));
	}

	async #judgeFolded(layer: BatchNormLayer, pair: OperatorPair): Promise<Verdict> {
		const { original, deployed } = this.#models;
		const target = this.#target(layer);
		const parameters = layerParameters(layer);
		const weights = await this.#partners.read(pair);
		if (!target || !parameters.ok || !weights.ok) {
			return cannotTell(weights.ok ? `${layer.name} cannot have been folded.` : weights.reason);
		}
		const natural = { parameters: parameters.value, operators: [] };
		const additions = await addedBehind(pair.deployed, target.rows, deployed.weights);
		const extended = await extendedLayers(layer, parameters.value, original.weights);
		const shifted = await this.#shiftedWeights(weights.value);
		const variants = [weights.value, ...(shifted ? [{ ...weights.value, ...shifted }] : [])].flatMap((read) =>
			additions.flatMap((deployedAddition) =>
				this.#originalWeights(read).flatMap((originalWeights) =>
					[natural, ...extended].map(
						(extension): FoldVariant => ({ ...read, originalWeights, deployedAddition, ...extension }),
					),
				),
			),
		);
		const verdict = judgeVariants(variants, target);
		const beside = verdict.status === 'mismatch' ? this.#besideForwardFault(variants, target) : undefined;
		return addPairing(beside ?? verdict, pair);
	}

	/** Returns the verdict of the first variant that is right if a layer in front was folded forward wrongly. */
	#besideForwardFault(variants: readonly FoldVariant[], target: FoldTarget): Verdict | undefined {
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

	/**
	 * Returns the operator's original weights. Adds a variant with the layer in front folded forward into them, if there
	 * may be such a layer.
	 */
	#originalWeights({ pair, originalWeights }: ReadPair): readonly OperatorWeights[] {
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
	async #shiftedWeights({ pair, deployedWeights }: ReadPair): Promise<ShiftedWeights | undefined> {
		const layer = this.#forward.get(pair.original);
		const shift =
			layer && !isShifted(layer)
				? await shiftInFront(pair.deployed, deployedWeights, this.#models.deployed.weights)
				: undefined;
		const weights = shift && withShift(pair.deployed, deployedWeights, shift);
		return weights && { deployedWeights: weights, shift };
	}

	/** Judges a kept layer. The operator in front of it must be unchanged, except for a layer folded forward into it. */
	async #judgeInFront(layer: BatchNormLayer, keptAs: BatchNormLayer, verdict: Verdict): Promise<Verdict> {
		const target = this.#target(layer);
		const pair = this.#partners.pairBefore(layer);
		if (verdict.status !== 'kept' || !target || !pair) {
			return verdict;
		}
		const weights = await this.#partners.read(pair);
		const parameters = layerParameters(layer);
		if (!weights.ok || !parameters.ok) {
			return verdict;
		}
		const additions = await this.#additionsInFront(keptAs, pair, target);
		const identity = { operators: [], parameters: identityParameters(target.rows), withoutLayer: true } as const;
		const variants = this.#originalWeights(weights.value).flatMap((originalWeights) =>
			additions.map(
				(deployedAddition): FoldVariant => ({ ...weights.value, ...identity, originalWeights, deployedAddition }),
			),
		);
		const unchanged = judgeVariant(variants.find((variant) => isRight(variant, target)) ?? variants[0], target);
		if (unchanged.status !== 'mismatch') {
			return withPrecision(verdict, unchanged);
		}
		const [{ deployedAddition }] = variants;
		const beside = this.#besideForwardFault(variants, target);
		if (beside) {
			return withPrecision(verdict, beside);
		}
		const folded = judgeVariant(
			{ ...weights.value, deployedAddition, operators: [], parameters: parameters.value },
			target,
		);
		return folded.status === 'match' ? reportFoldedAndKept(folded, pair.deployed) : reportChangedWeights(unchanged);
	}

	/** Returns the possible biases of the deployed operator in front of a kept layer. */
	async #additionsInFront(
		keptAs: BatchNormLayer,
		pair: OperatorPair,
		target: FoldTarget,
	): Promise<readonly (Addition | null)[]> {
		const { deployed } = this.#models;
		const deployedTarget = deployed.targets.get(keptAs);
		const inFloat = (values: Float64Array | null) => values && { values };
		return deployedTarget?.operator === pair.deployed
			? [inFloat(withLayers(deployedTarget, () => false).added)]
			: [inFloat(target.added), ...(await addedBehind(pair.deployed, target.rows, deployed.weights))];
	}

	async #judgeFoldedForward(layer: BatchNormLayer, parameters: FoldParameters): Promise<JudgedLayer> {
		const behindPad = operatorBehindPad(this.#models.original, layer);
		const route = this.#models.original.forwards.get(layer) ?? (behindPad && { operator: behindPad, rows: undefined });
		const pair = route && this.#partners.pairOf(route.operator);
		const weights = pair && (await this.#partners.read(pair));
		const forward = weights?.ok && route ? foldForward(route, weights.value.originalWeights, parameters) : undefined;
		if (!weights?.ok || !forward || !route) {
			const across = await judgeAcross(layer, parameters, this.#models, this.#partners);
			const broadcast = across ?? (await judgeBroadcast(layer, expectedFold(null, parameters).scale, this.#models));
			return broadcast ?? { verdict: cannotTell(describeAbsence(layer, this.#models), 'unmatched'), operator: null };
		}
		const { deployed } = weights.value.pair;
		const faults = () => wrongForwardFolds(route, weights.value.originalWeights, parameters);
		const natural = await this.#judgeForward(weights.value, forward, faults);
		const shifted = natural.status === 'match' ? undefined : await this.#shiftedWeights(weights.value);
		const verdict = shifted ? await this.#judgeForward({ ...weights.value, ...shifted }, forward, faults) : natural;
		const isBorderRight = shifted !== undefined && isShiftOf(shifted.shift, parameters);
		const isPadded = (forward.isPadded || (behindPad !== undefined && forward.hasShift)) && !isBorderRight;
		if (verdict.status === 'match' && isPadded) {
			const report = padsItsInput(deployed) ? reportPaddedForward : reportBorderElsewhere;
			return { verdict: report(verdict, deployed), operator: deployed };
		}
		const across =
			verdict.status === 'match' ? undefined : await judgeAcross(layer, parameters, this.#models, this.#partners);
		return across ?? { verdict, operator: deployed };
	}

	async #judgeForward(
		weights: ReadPair,
		forward: ForwardFold,
		faults: () => Iterable<WrongForwardFold>,
	): Promise<Verdict> {
		const { original, kept } = this.#models;
		const { pair, originalWeights } = weights;
		const behind = original.layers.find(
			(layer) => original.targets.get(layer)?.operator === pair.original && !kept.has(layer),
		);
		const course = behind
			? await this.#courseBehind(this.#lastOnOperator(behind), weights)
			: await this.#courseOf(weights);
		const isRightFrom = (from: OperatorWeights, test = isRightOrRounded) =>
			course?.variants.some((variant) => test({ ...variant, originalWeights: from }, course.target)) ?? false;
		// Layers behind the operator went into the same weights, so the comparison of the last layer covers all.
		const judged = behind && (await this.#judgeFolded(this.#lastOnOperator(behind), pair));
		if (!course || (judged?.status === 'match' && isRightFrom(forward.weights))) {
			return judged ?? cannotTell(`The constants of ${pair.deployed.name} cannot be read.`);
		}
		const variants = course.variants.map((variant) => ({ ...variant, originalWeights: forward.weights }));
		const verdict = judgeVariants(variants, course.target);
		if (verdict.status === 'match') {
			return verdict;
		}
		if (isRightFrom(originalWeights)) {
			return reportLost(verdict, pair.deployed);
		}
		const causes = Array.from(faults())
			.filter((wrong) => isRightFrom(wrong.weights, isRight))
			.map(({ cause }) => cause);
		return causes.length > 0 ? reportForwardFault(verdict, pair.deployed, [...new Set(causes)]) : (judged ?? verdict);
	}

	/** Returns the possible courses of a fold into an operator without a layer behind it. */
	async #courseOf(weights: ReadPair): Promise<Course> {
		const target = directTarget(weights.pair.original, weights.originalWeights.layout);
		const parameters = identityParameters(target.rows);
		const additions = await addedBehind(weights.pair.deployed, target.rows, this.#models.deployed.weights);
		const common = { ...weights, operators: [], parameters, withoutLayer: 'forward' } as const;
		return { target, variants: additions.map((deployedAddition) => ({ ...common, deployedAddition })) };
	}

	/** Returns the possible courses of the fold of a layer behind an operator. */
	async #courseBehind(layer: BatchNormLayer, weights: ReadPair): Promise<Course | undefined> {
		const target = this.#target(layer);
		const parameters = layerParameters(layer);
		if (!target || !parameters.ok) {
			return undefined;
		}
		const additions = await addedBehind(weights.pair.deployed, target.rows, this.#models.deployed.weights);
		const common = { ...weights, parameters: parameters.value, operators: [] };
		return { target, variants: additions.map((deployedAddition) => ({ ...common, deployedAddition })) };
	}
}

/** Weights of a deployed operator with the shift in front of it, a value per input channel. */
interface ShiftedWeights {
	readonly deployedWeights: OperatorWeights;
	readonly shift: Float64Array;
}

/** Possible courses of a fold that leads to a target; the first is the natural one. */
interface Course {
	readonly target: FoldTarget;
	readonly variants: readonly FoldVariant[];
}

function describeOperator({ name, node, weight, bias }: LinearOperator): FoldedInto {
	return { name, op: node.opType, weight, bias: bias || null };
}
