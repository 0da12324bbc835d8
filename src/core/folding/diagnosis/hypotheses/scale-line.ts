import { deviation, PARAMETER_BITS } from '../observed/deviation.js';
import type { WeightedIntervals } from '../observed/intervals.js';
import { explainFactor } from '../observed/variance-factor.js';
import { type CandidateLaw, lawIntervals } from './scale-fit.js';
import { lawBase, lawScale } from './scale-laws.js';
import { type ScaleHypothesis, type ScaleProblem, scaleHypothesis } from './scale-problem.js';

/**
 * Explains the scale by the law on k * variance with an unusual epsilon: a line through y over the base. Fitting both
 * parameters of the line needs many rows. If an epsilon was applied twice, a single parameter is fitted.
 */
export function withFactorAndEpsilon(problem: ScaleProblem, { law, deviations }: CandidateLaw): ScaleHypothesis[] {
	const base = problem.parameters.variance.map((variance) => lawBase(law, variance));
	const line = fitLine(
		base,
		lawIntervals(problem, law, (y) => y),
	);
	if (!line || !(line.slope > 0) || !(line.intercept > 0)) {
		return [];
	}
	const { slope, intercept } = line;
	const scaleWith = (gamma: number, variance: number) => lawScale(law, gamma, variance, slope, intercept);
	const rest = {
		uncertainty: (gamma: number, variance: number) => FIT_ERROR * Math.abs(scaleWith(gamma, variance)),
	};
	const wrong = deviation('wrong-epsilon', PARAMETER_BITS, { epsilon: intercept });
	const factor = slope ** (1 / law.formula.factorPower);
	const found = explainFactor(factor * (1 - FIT_ERROR), factor * (1 + FIT_ERROR)).map(({ cause, k, meanFactor }) =>
		scaleHypothesis(
			problem,
			[cause, wrong, ...deviations],
			(gamma, variance) => lawScale(law, gamma, variance, k ** law.formula.factorPower, intercept),
			{ ...rest, bias: { meanFactor } },
		),
	);
	// (variance + e)(1 + e): the intercept is e + e^2.
	const epsilon = (Math.sqrt(1 + 4 * intercept) - 1) / 2;
	if (law.formula.code === null && Math.abs(1 + epsilon - slope) <= SLOPE_ERROR * slope) {
		const twice = deviation('epsilon-applied-twice', 0, { epsilon });
		const same = deviation('wrong-epsilon', PARAMETER_BITS, { epsilon });
		const predict = (gamma: number, variance: number) =>
			lawScale(law, gamma, variance, 1, epsilon) / Math.sqrt(1 + epsilon);
		found.push(scaleHypothesis(problem, [twice, same, ...deviations], predict, rest));
	}
	return found;
}

/** Allowed relative error of a factor fitted together with an epsilon. */
const FIT_ERROR = 1e-6;
/** Allowed relative difference between slope and the intercept's epsilon. */
const SLOPE_ERROR = 1e-5;
const FIT_ROUNDS = 4;

interface Line {
	readonly slope: number;
	readonly intercept: number;
}

/** Fits a line robustly: through all rows, then through the nearer half, then through all rows that agree with it. */
function fitLine(base: Float64Array, intervals: WeightedIntervals): Line | undefined {
	const { low, high } = intervals;
	const usable = Array.from(base.keys()).filter((row) => low[row] < high[row]);
	let rows = usable;
	let line: Line | undefined;
	for (let round = 0; round < FIT_ROUNDS && rows.length >= 3; round++) {
		const { slope, intercept } = leastSquares(rows, base, intervals);
		line = { slope, intercept };
		const distance = (row: number) =>
			Math.abs(slope * base[row] + intercept - (low[row] + high[row]) / 2) / (high[row] - low[row]);
		rows =
			round === 0
				? usable.toSorted((a, b) => distance(a) - distance(b)).slice(0, Math.ceil(usable.length / 2))
				: usable.filter((row) => distance(row) <= 1);
	}
	return line && Number.isFinite(line.slope) ? line : undefined;
}

/** Weighted by how well each row's y is known. */
function leastSquares(rows: readonly number[], base: Float64Array, { low, high }: WeightedIntervals): Line {
	const sums = { w: 0, x: 0, y: 0, xx: 0, xy: 0 };
	for (const row of rows) {
		const w = (high[row] - low[row]) ** -2;
		const x = base[row];
		const y = (low[row] + high[row]) / 2;
		sums.w += w;
		sums.x += w * x;
		sums.y += w * y;
		sums.xx += w * x * x;
		sums.xy += w * x * y;
	}
	const slope = (sums.w * sums.xy - sums.x * sums.y) / (sums.w * sums.xx - sums.x * sums.x);
	return { slope, intercept: (sums.y - slope * sums.x) / sums.w };
}
