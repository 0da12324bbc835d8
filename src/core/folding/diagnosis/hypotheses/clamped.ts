import { type Deviation, deviation, KNOWN_EPSILONS, KNOWN_VALUE_BITS } from '../observed/deviation.js';
import { mostAgreed, type WeightedIntervals } from '../observed/intervals.js';
import { explainFactor } from '../observed/variance-factor.js';
import { fittedEpsilon, lawIntervals } from './scale-fit.js';
import { FORMULAS, type Multiplier, STATISTICS } from './scale-laws.js';
import { type ScaleHypothesis, type ScaleProblem, scaleHypothesis } from './scale-problem.js';

/**
 * Scales of the form numerator / sqrt(max(variance, limit)), with epsilon as a lower limit. No formula of scale-laws.ts
 * has this form.
 */

/** A lower limit for the variance, with the deviations that it implies. */
export type Limit = readonly [limit: number, wrong: readonly Deviation[]];

/** Cause of a clamped epsilon. It must not win over epsilon 0 if no variance is below the limit. */
export function clampedDeviation(): Deviation {
	return deviation('epsilon-clamped', KNOWN_VALUE_BITS + 1);
}

/** Returns the file's epsilon as the limit, and the defaults of frameworks. */
export function knownLimits(fileEpsilon: number): Limit[] {
	const others = KNOWN_EPSILONS.filter(([epsilon]) => epsilon > 0 && Math.fround(epsilon) !== Math.fround(fileEpsilon));
	return [
		[fileEpsilon, []],
		...others.map(([epsilon]): Limit => [epsilon, [deviation('wrong-epsilon', KNOWN_VALUE_BITS, { epsilon })]]),
	];
}

/**
 * Fits the limit to the rows with a scale that belongs to a larger variance than theirs. Returns the limit that most of
 * these rows agree on.
 */
export function fittedLimits(
	problem: ScaleProblem,
	numerator: Multiplier['of'],
	statistic: (variance: number) => number,
): Limit[] {
	const { variance } = problem.parameters;
	const agreed = mostAgreed(usedVariances(problem, numerator, (used, row) => used > statistic(variance[row])));
	return agreed ? [[(agreed.low + agreed.high) / 2, [fittedEpsilon(agreed.low, agreed.high)]]] : [];
}

/** Fits k with the file's epsilon as the limit of k * variance. Rows above the limit determine k. */
export function factorsUnderLimit(problem: ScaleProblem, numerator: Multiplier['of']): ScaleHypothesis[] {
	const { variance, epsilon } = problem.parameters;
	const { low, high, weight } = usedVariances(problem, numerator, (used) => used > epsilon);
	const agreed = mostAgreed({
		low: low.map((used, row) => used / variance[row]),
		high: high.map((used, row) => used / variance[row]),
		weight,
	});
	if (!agreed || agreed.low <= 0 || (agreed.low <= 1 && 1 <= agreed.high)) {
		return [];
	}
	return explainFactor(agreed.low, agreed.high).map(({ cause, k, meanFactor }) =>
		scaleHypothesis(
			problem,
			[clampedDeviation(), cause],
			(gamma, value) => numerator(gamma) / Math.sqrt(Math.max(k * value, epsilon)),
			{ bias: { meanFactor } },
		),
	);
}

/** Returns, per row, the variance behind its ratio, (numerator / ratio)^2; empty for rows that are not kept. */
function usedVariances(
	problem: ScaleProblem,
	numerator: Multiplier['of'],
	isKept: (least: number, row: number) => boolean,
): WeightedIntervals {
	const law = { formula: FORMULAS[0], statistic: STATISTICS[0], numerator };
	const { low, high, weight } = lawIntervals(problem, law, (used) => used);
	return {
		low: low.map((least, row) => (isKept(least, row) ? least : Number.POSITIVE_INFINITY)),
		high: high.map((most, row) => (isKept(low[row], row) ? most : Number.NEGATIVE_INFINITY)),
		weight,
	};
}
