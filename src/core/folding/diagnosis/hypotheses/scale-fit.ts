import { type Deviation, deviation, KNOWN_EPSILONS, KNOWN_VALUE_BITS, PARAMETER_BITS } from '../observed/deviation.js';
import { type Agreement, mostAgreed, type WeightedIntervals, weightOutside } from '../observed/intervals.js';
import { explainFactor } from '../observed/variance-factor.js';
import { lawBase, lawInterval, lawScale, type ScaleLaw } from './scale-laws.js';
import { type ScaleHypothesis, type ScaleProblem, scaleHypothesis } from './scale-problem.js';

/** A law together with the deviations that choosing it means. */
export interface CandidateLaw {
	readonly law: ScaleLaw;
	readonly deviations: readonly Deviation[];
}

/** Returns the law's y of every row as intervals, transformed for a fit of epsilon or of the factor. */
export function lawIntervals(
	{ parameters, ratios, weight }: ScaleProblem,
	law: ScaleLaw,
	transform: (y: number, base: number) => number,
): WeightedIntervals {
	const low = new Float64Array(weight.length).fill(Number.POSITIVE_INFINITY);
	const high = new Float64Array(weight.length).fill(Number.NEGATIVE_INFINITY);
	for (let row = 0; row < weight.length; row++) {
		const interval = weight[row] > 0 && lawInterval(law, parameters.gamma[row], ratios.low[row], ratios.high[row]);
		if (interval) {
			const base = lawBase(law, parameters.variance[row]);
			low[row] = transform(interval[0], base);
			high[row] = transform(interval[1], base);
		}
	}
	return { low, high, weight };
}

/** Returns half the range of scales within a fitted parameter's range. */
function halfSpread(
	scale: (gamma: number, variance: number, parameter: number) => number,
	{ low, high }: Pick<Agreement, 'low' | 'high'>,
): ScaleHypothesis['uncertainty'] {
	return (gamma, variance) => Math.abs(scale(gamma, variance, low) - scale(gamma, variance, high)) / 2;
}

/** The law with the file's epsilon. */
export function withOwnEpsilon(problem: ScaleProblem, { law, deviations }: CandidateLaw): ScaleHypothesis {
	const fileEpsilon = problem.parameters.epsilon;
	const bias = { meanFactor: law.statistic.meanFactor };
	return scaleHypothesis(problem, deviations, (gamma, variance) => lawScale(law, gamma, variance, 1, fileEpsilon), {
		bias,
	});
}

/**
 * Explains the scale by the law with another epsilon: the defaults of frameworks, and the value on which most rows
 * agree.
 */
export function withOtherEpsilon(problem: ScaleProblem, { law, deviations }: CandidateLaw): ScaleHypothesis[] {
	const fileEpsilon = problem.parameters.epsilon;
	const intervals = lawIntervals(problem, law, (y, base) => y - base);
	const agreed = mostAgreed(intervals);
	if (!agreed || agreed.high < 0) {
		return [];
	}
	const least = weightOutside(intervals, Math.max(agreed.low, 0));
	const scaleWith = (gamma: number, variance: number, e: number) => lawScale(law, gamma, variance, 1, e);
	const bias = { meanFactor: law.statistic.meanFactor };
	return otherEpsilons(agreed, fileEpsilon).flatMap(({ cause, epsilon, isFitted }) => {
		// Cheap test first, which drops values that most rows reject.
		const isSame = epsilon === 0 && law.formula.code === 'epsilon-outside-sqrt';
		if (isSame || weightOutside(intervals, epsilon) > least + PARAMETER_BITS) {
			return [];
		}
		const uncertainty = halfSpread(scaleWith, { low: Math.max(agreed.low, 0), high: agreed.high });
		const predict = (gamma: number, variance: number) => scaleWith(gamma, variance, epsilon);
		const rest = isFitted && uncertainty ? { bias, uncertainty } : { bias };
		return [scaleHypothesis(problem, [...deviations, cause], predict, rest)];
	});
}

interface OtherEpsilon {
	readonly cause: Deviation;
	readonly epsilon: number;
	readonly isFitted: boolean;
}

function otherEpsilons(agreed: Agreement, fileEpsilon: number): OtherEpsilon[] {
	const known = KNOWN_EPSILONS.filter(([epsilon]) => Math.fround(epsilon) !== Math.fround(fileEpsilon)).map(
		([epsilon]) => ({
			cause: deviation('wrong-epsilon', KNOWN_VALUE_BITS, { epsilon }),
			epsilon,
			isFitted: false,
		}),
	);
	if (agreed.low <= fileEpsilon && fileEpsilon <= agreed.high) {
		return known;
	}
	const low = Math.max(agreed.low, 0);
	const epsilon = (low + agreed.high) / 2;
	return [...known, { cause: fittedEpsilon(low, agreed.high), epsilon, isFitted: true }];
}

/** Returns an epsilon between two values. Only the digits that the rows determine cost bits. */
export function fittedEpsilon(low: number, high: number): Deviation {
	const bits = Math.min(MAGNITUDE_BITS + Math.max(Math.log2(high / (high - low)), 0), PARAMETER_BITS);
	return deviation('wrong-epsilon', bits, { epsilon: (low + high) / 2 });
}

/** Bits for the power of two next to an epsilon, among about thirty powers. */
const MAGNITUDE_BITS = 5;

/**
 * Explains the scale by the law on k * variance: Bessel's correction, or a moving-average factor that also scales the
 * mean.
 */
export function withFactor(
	problem: ScaleProblem,
	{ law, deviations }: CandidateLaw,
	alsoEpsilon: boolean,
): ScaleHypothesis[] {
	if (law.statistic.meanFactor === 0) {
		// This statistic does not use the variance and has no factor on it.
		return [];
	}
	const fileEpsilon = problem.parameters.epsilon;
	const known = KNOWN_EPSILONS.map(([epsilon]) => epsilon).filter((e) => Math.fround(e) !== Math.fround(fileEpsilon));
	return [fileEpsilon, ...(alsoEpsilon ? known : [])].flatMap((epsilon) => {
		const agreed = mostAgreed(lawIntervals(problem, law, (y, base) => (y - epsilon) / base));
		if (!agreed || agreed.low <= 0 || (agreed.low <= 1 && 1 <= agreed.high)) {
			return [];
		}
		const extra = epsilon === fileEpsilon ? [] : [deviation('wrong-epsilon', KNOWN_VALUE_BITS, { epsilon })];
		const scaleWith = (gamma: number, variance: number, k: number) => lawScale(law, gamma, variance, k, epsilon);
		const uncertainty = halfSpread(scaleWith, agreed);
		const power = 1 / law.formula.factorPower;
		return explainFactor(agreed.low ** power, agreed.high ** power).map(({ cause, k, meanFactor }) =>
			scaleHypothesis(
				problem,
				[cause, ...deviations, ...extra],
				(gamma, variance) => scaleWith(gamma, variance, k ** (1 / power)),
				{ bias: { meanFactor }, ...(uncertainty && { uncertainty }) },
			),
		);
	});
}
