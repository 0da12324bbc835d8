import { gather, gatherParameters } from '../../operators/expected.js';
import { type Deviation, deviation, KNOWN_EPSILONS, KNOWN_VALUE_BITS } from '../observed/deviation.js';
import { type RowRatios, RowState } from '../observed/ratios.js';
import { clampedDeviation, factorsUnderLimit, fittedLimits, knownLimits } from './clamped.js';
import { constantFactor } from './scale-constant.js';
import { type CandidateLaw, withFactor, withOtherEpsilon, withOwnEpsilon } from './scale-fit.js';
import { FORMULAS, MULTIPLIERS, type Multiplier, STATISTICS } from './scale-laws.js';
import { withFactorAndEpsilon } from './scale-line.js';
import { type ScaleHypothesis, type ScaleProblem, scaleHypothesis } from './scale-problem.js';

/** Maximum number of hypotheses. The bias then chooses among them. */
const MAX_HYPOTHESES = 24;
/** Number of rows from which a formula is found. */
const SAMPLED_ROWS = 128;

/**
 * Returns the scale hypotheses with up to `most` deviations that describe the ratios in the fewest bits, the best
 * first. Two deviations mean hundreds of formulas, so callers begin with a single deviation. Three would explain any
 * ratios. In a wide layer the search uses a sample of rows and judges the best formulas on all rows.
 */
export function searchScale(problem: ScaleProblem, most: 1 | 2): readonly ScaleHypothesis[] {
	const rows = sampleRows(problem);
	if (rows.length === problem.weight.length) {
		return searchRows(problem, most);
	}
	const found = searchRows(problemOf(problem, rows), most);
	return found
		.map(({ deviations, predict, bias, uncertainty }) =>
			scaleHypothesis(problem, deviations, predict, { bias, ...(uncertainty && { uncertainty }) }),
		)
		.sort((a, b) => a.bits - b.bits);
}

function searchRows(problem: ScaleProblem, most: 1 | 2): readonly ScaleHypothesis[] {
	const found = [
		...searchLaws(problem, most),
		...foldedTwice(problem, most - 1),
		...constantFactor(problem),
		scaleHypothesis(problem, [deviation('weights-not-folded')], () => 1, {
			bias: { meanFactor: 1, foldedRight: true },
		}),
	];
	const best = found.sort((a, b) => a.bits - b.bits).slice(0, MAX_HYPOTHESES);
	// The correct fold always stays, because other hypotheses are measured by it.
	return best.some(({ deviations }) => deviations.length === 0) ? best : [...best, nothingWrong(problem)];
}

/** Returns rows spread over the layer, and the smallest variances, which reveal an epsilon. */
function sampleRows({ parameters, weight }: ScaleProblem): readonly number[] {
	const rows = Array.from(weight.keys());
	if (rows.length <= SAMPLED_ROWS) {
		return rows;
	}
	const byVariance = rows.toSorted((a, b) => parameters.variance[a] - parameters.variance[b]);
	const chosen = new Set(byVariance.slice(0, SAMPLED_ROWS / 2));
	const step = rows.length / (SAMPLED_ROWS / 2);
	for (let index = 0; index < SAMPLED_ROWS / 2; index++) {
		chosen.add(byVariance[Math.floor(index * step)]);
	}
	return [...chosen].sort((a, b) => a - b);
}

function problemOf({ parameters, ratios, weight }: ScaleProblem, rows: readonly number[]): ScaleProblem {
	return {
		parameters: gatherParameters(parameters, rows),
		ratios: {
			low: gather(ratios.low, rows),
			high: gather(ratios.high, rows),
			state: Uint8Array.from(rows, (row) => ratios.state[row]),
			relative: ratios.relative,
		},
		weight: gather(weight, rows),
	};
}

/** The right formula with the file's epsilon. */
export function nothingWrong(problem: ScaleProblem): ScaleHypothesis {
	const { epsilon } = problem.parameters;
	return scaleHypothesis(problem, [], (gamma, variance) => gamma / Math.sqrt(variance + epsilon));
}

function searchLaws(problem: ScaleProblem, most: number): ScaleHypothesis[] {
	return numerators(problem, most).flatMap((numerator) => [
		...laws(numerator, most).flatMap((candidate) => {
			const left = most - candidate.deviations.length;
			return [
				withOwnEpsilon(problem, candidate),
				...(left > 0 ? withOtherEpsilon(problem, candidate) : []),
				...(left > 0 ? withFactor(problem, candidate, left > 1) : []),
				...(left > 1 ? withFactorAndEpsilon(problem, candidate) : []),
			];
		}),
		...fixedFormulas(problem, numerator, most),
	]);
}

const SMALLEST_REPEATED = 2e-6;

interface Numerator {
	readonly of: Multiplier['of'];
	readonly deviations: readonly Deviation[];
}

/** Lists the possible numerators: forms of gamma, times the constant of a second epsilon. */
function numerators({ parameters }: ScaleProblem, most: number): Numerator[] {
	const { gamma, epsilon } = parameters;
	const useful = MULTIPLIERS.filter(({ code, of }) => code === null || gamma.some((value) => of(value) !== value));
	// The second deviation may be another epsilon, applied twice.
	const others = most > 1 ? KNOWN_EPSILONS.map(([known]) => known).filter((known) => known > 0) : [1e-3, 1e-5];
	// The effect of a smaller epsilon disappears in rounding.
	const repeated = [...new Set([epsilon, ...others.map(Math.fround)])].filter((value) => value >= SMALLEST_REPEATED);
	return useful.flatMap(({ code, of }) => {
		const multiplied = code ? [deviation(code)] : [];
		return [
			{ of, deviations: multiplied },
			...repeated.map((again) => {
				const isOwn = again === epsilon;
				const twice = deviation('epsilon-applied-twice', isOwn ? 0 : 2 * KNOWN_VALUE_BITS, { epsilon: again });
				return { of: (value: number) => of(value) / Math.sqrt(1 + again), deviations: [...multiplied, twice] };
			}),
		].filter(({ deviations }) => deviations.length <= most);
	});
}

/** Every formula on every statistic, except pairs that cancel or repeat a deviation. */
const LAWS = FORMULAS.flatMap((formula) =>
	STATISTICS.map((statistic) => {
		const deviations = [formula.code, statistic.code].flatMap((code) => (code ? [deviation(code)] : []));
		return { formula, statistic, deviations };
	}),
).filter(({ formula, statistic }) => {
	const isCancelling = formula.code === 'missing-sqrt' && statistic.code === 'std-as-variance';
	const isRepeated = formula.code !== null && formula.code === statistic.code;
	return !isCancelling && !isRepeated;
});

/** Returns the laws with a numerator, up to a number of deviations. */
function laws(numerator: Numerator, most: number): CandidateLaw[] {
	return LAWS.filter(({ deviations }) => deviations.length + numerator.deviations.length <= most).map(
		({ formula, statistic, deviations }) => ({
			law: { formula, statistic, numerator: numerator.of },
			deviations: [...deviations, ...numerator.deviations],
		}),
	);
}

/** Lists formulas that are not linear in a parameter. */
function fixedFormulas(problem: ScaleProblem, { of, deviations }: Numerator, most: number): ScaleHypothesis[] {
	const fileEpsilon = problem.parameters.epsilon;
	const found: ScaleHypothesis[] = [];
	const add = (extra: readonly Deviation[], predict: ScaleHypothesis['predict']) => {
		if (deviations.length + extra.length <= most) {
			found.push(scaleHypothesis(problem, [...extra, ...deviations], predict));
		}
	};
	add([deviation('variance-ignored')], of);
	add([deviation('rounding-fp16', 0, { overflow: true })], (gamma, variance) =>
		variance > FLOAT16_OVERFLOW ? 0 : of(gamma) / Math.sqrt(variance + fileEpsilon),
	);
	for (const { code, of: statistic } of STATISTICS.filter(({ code }) => code !== 'initial-statistics')) {
		const fitted = most > 1 ? fittedLimits(problem, of, statistic) : [];
		for (const [epsilon, wrong] of [...knownLimits(fileEpsilon), ...fitted]) {
			add(
				[clampedDeviation(), ...(code ? [deviation(code)] : []), ...wrong],
				(gamma, variance) => of(gamma) / Math.sqrt(Math.max(statistic(variance), epsilon)),
			);
		}
	}
	if (deviations.length + 2 <= most) {
		found.push(...factorsUnderLimit(problem, of));
	}
	return found;
}

/** From here on a float16 is rounded to infinity. */
const FLOAT16_OVERFLOW = 65520;

/** The weights carry the square of a scale. Its root, with the sign of gamma, must follow the same laws. */
function foldedTwice(problem: ScaleProblem, most: number): ScaleHypothesis[] {
	const { parameters, weight } = problem;
	const once = { ...problem, ratios: rootOf(problem.ratios, parameters.gamma) };
	return searchLaws(once, most).flatMap((hypothesis) => {
		if (hypothesis.bits - 1 > weight.reduce((sum, bits) => sum + bits, 0)) {
			return [];
		}
		const { predict, deviations } = hypothesis;
		const squared = (gamma: number, variance: number) => predict(gamma, variance) ** 2;
		return [
			scaleHypothesis(problem, [deviation('folded-twice'), ...deviations], squared, {
				bias: { ...hypothesis.bias, twice: true },
			}),
		];
	});
}

function rootOf({ low, high, state, relative }: RowRatios, gamma: Float64Array): RowRatios {
	const roots = gamma.map((value, row) => (value < 0 ? -1 : 1) * Math.sqrt(low[row]));
	const others = gamma.map((value, row) => (value < 0 ? -1 : 1) * Math.sqrt(high[row]));
	return {
		low: roots.map((value, row) => (low[row] >= 0 ? Math.min(value, others[row]) : 1)),
		high: roots.map((value, row) => (low[row] >= 0 ? Math.max(value, others[row]) : -1)),
		state: state.map((value, row) => (low[row] >= 0 ? value : RowState.distorted)),
		relative,
	};
}
