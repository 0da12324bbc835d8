import type { BatchNormLayer } from '../../batchnorm/layer.js';
import type { FoldParameters } from '../operators/expected.js';
import type { LinearOperator } from '../operators/linear.js';
import type { MatchedNetworks, PartnerReader } from '../pairing/partners.js';
import { addedBehind } from '../targets/added-behind.js';
import { directTarget } from '../targets/target.js';
import { pathBetween } from './functions-between.js';
import type { Verdict } from './judge-fold.js';
import { isRightOrRounded, judgeVariant } from './judge-variants.js';
import { reportAcross } from './placement-verdicts.js';

/** A verdict and the deployed operator that it is about. */
export interface JudgedLayer {
	readonly verdict: Verdict;
	readonly operator: LinearOperator | null;
}

/**
 * Judges a layer that was folded into the operator in front of a function. That is wrong, except for a maximum and
 * scales that are not negative.
 */
export async function judgeAcross(
	layer: BatchNormLayer,
	parameters: FoldParameters,
	{ original, deployed, pairing }: MatchedNetworks,
	partners: PartnerReader,
): Promise<JudgedLayer | undefined> {
	const operators = [...(original.beforeLayer.get(layer) ?? [])];
	const { functions = [], isIncreasing = false } = pathBetween(layer, original) ?? {};
	const isSought = operators.length === 1 && (functions.length > 0 || isIncreasing);
	const pair = isSought ? pairing.byOriginal.get(operators[0]) : undefined;
	const weights = pair && (await partners.read(pair));
	if (!weights?.ok || !pair) {
		return undefined;
	}
	const target = directTarget(pair.original, weights.value.originalWeights.layout);
	if (target.rows.length !== parameters.gamma.length) {
		return undefined;
	}
	const additions = await addedBehind(pair.deployed, target.rows, deployed.weights);
	const right = additions
		.map((deployedAddition) => ({ ...weights.value, deployedAddition, operators: [], parameters }))
		.find((variant) => isRightOrRounded(variant, target));
	if (!right) {
		return undefined;
	}
	const verdict = judgeVariant(right, target);
	return {
		verdict: isIncreasing ? verdict : reportAcross(verdict, pair.deployed, functions),
		operator: pair.deployed,
	};
}
