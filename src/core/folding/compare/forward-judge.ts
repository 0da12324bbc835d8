import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { expectedFold, type FoldParameters } from '../operators/expected.js';
import { identityParameters, layerParameters } from '../operators/layer-parameters.js';
import type { OperatorWeights } from '../operators/weights.js';
import type { MatchedNetworks, PartnerReader, ReadPair } from '../pairing/partners.js';
import { addedBehind } from '../targets/added-behind.js';
import { type ForwardFold, foldForward, operatorBehindPad, padsItsInput } from '../targets/forward.js';
import { directTarget, type FoldTarget } from '../targets/target.js';
import { judgeBroadcast } from './broadcast-scale.js';
import { isShiftOf } from './deployed-around.js';
import { describeAbsence, describeReplacements } from './describe-absence.js';
import type { FoldJudge } from './fold-judge.js';
import { type WrongForwardFold, wrongForwardFolds } from './forward-faults.js';
import { type JudgedLayer, judgeAcross } from './judge-across.js';
import { cannotTell, type Verdict } from './judge-fold.js';
import { type FoldVariant, isRight, isRightOrRounded, judgeVariants } from './judge-variants.js';
import { reportBorderElsewhere, reportForwardFault, reportLost, reportPaddedForward } from './placement-verdicts.js';

/** Possible courses of a fold that leads to a target; the first is the natural one. */
interface Course {
	readonly target: FoldTarget;
	readonly variants: readonly FoldVariant[];
}

/** Judges layers that were folded into the operator behind them. */
export class ForwardJudge {
	readonly #models: MatchedNetworks;
	readonly #partners: PartnerReader;
	readonly #folds: FoldJudge;
	/** See {@link describeReplacements}. */
	readonly #replacements: readonly string[];

	constructor(models: MatchedNetworks, partners: PartnerReader, folds: FoldJudge) {
		this.#models = models;
		this.#partners = partners;
		this.#folds = folds;
		this.#replacements = describeReplacements(models);
	}

	async judge(layer: BatchNormLayer, parameters: FoldParameters): Promise<JudgedLayer> {
		const behindPad = operatorBehindPad(this.#models.original, layer);
		const route = this.#models.original.forwards.get(layer) ?? (behindPad && { operator: behindPad, rows: undefined });
		const pair = route && this.#partners.pairOf(route.operator);
		const weights = pair && (await this.#partners.read(pair));
		const forward = weights?.ok && route ? foldForward(route, weights.value.originalWeights, parameters) : undefined;
		if (!weights?.ok || !forward || !route) {
			const across = await judgeAcross(layer, parameters, this.#models, this.#partners);
			const broadcast = across ?? (await judgeBroadcast(layer, expectedFold(null, parameters).scale, this.#models));
			const absence = () => cannotTell(describeAbsence(layer, this.#models, this.#replacements), 'unmatched');
			return broadcast ?? { verdict: absence(), operator: null };
		}
		const { deployed } = weights.value.pair;
		const faults = () => wrongForwardFolds(route, weights.value.originalWeights, parameters);
		const natural = await this.#judgeForward(weights.value, forward, faults);
		const shifted = natural.status === 'match' ? undefined : await this.#folds.shiftedWeights(weights.value);
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
			? await this.#courseBehind(this.#folds.lastOnOperator(behind), weights)
			: await this.#courseOf(weights);
		const isRightFrom = (from: OperatorWeights, test = isRightOrRounded) =>
			course?.variants.some((variant) => test({ ...variant, originalWeights: from }, course.target)) ?? false;
		// Layers behind the operator went into the same weights, so the comparison of the last layer covers all.
		const judged = behind && (await this.#folds.judge(this.#folds.lastOnOperator(behind), pair));
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
		const target = this.#folds.target(layer);
		const parameters = layerParameters(layer);
		if (!target || !parameters.ok) {
			return undefined;
		}
		const additions = await addedBehind(weights.pair.deployed, target.rows, this.#models.deployed.weights);
		const common = { ...weights, parameters: parameters.value, operators: [] };
		return { target, variants: additions.map((deployedAddition) => ({ ...common, deployedAddition })) };
	}
}
