import { median } from '../../../numbers/arrays.js';
import type { FoldCase } from './fold-case.js';
import { type RowRatios, RowState } from './ratios.js';

/** The running statistics that the found weights would follow from. */
export interface ImpliedStatistics {
	/** Median of ln(implied variance / running variance), and the median distance from it. */
	readonly logVariance: number;
	readonly logVarianceSpread: number;
	/** Median of |implied mean - running mean| / standard deviation. */
	readonly meanShift: number;
	readonly rows: number;
}

/** Maximum change of statistics by training: a factor of e^2 in the variance, two standard deviations in the mean. */
const MAX_CHANGE = 2;
/** Minimum spread of variances that no factor or formula explains. */
const MIN_SPREAD = 1e-3;

/**
 * Solves each row for the statistics of its fold: variance = (gamma / r)^2 - epsilon, mean = b + (beta - b') / r. A
 * solution always exists, so this explains any weights and proves little. It counts only if the variances are positive
 * and both statistics scatter about the file's values, as at another moment of training.
 */
export function solveStatistics(fold: FoldCase, ratios: RowRatios): ImpliedStatistics | undefined {
	const { gamma, beta, mean, variance, epsilon } = fold.parameters;
	const logs: number[] = [];
	const shifts: number[] = [];
	let informative = 0;
	for (let row = 0; row < gamma.length; row++) {
		const ratio = (ratios.low[row] + ratios.high[row]) / 2;
		if (ratios.state[row] !== RowState.multiple || gamma[row] === 0 || ratio === 0) {
			continue;
		}
		informative++;
		const implied = (gamma[row] / ratio) ** 2 - epsilon;
		if (Math.sign(ratio) === Math.sign(gamma[row]) && implied > 0 && variance[row] > 0) {
			const solved = (fold.original.bias?.[row] ?? 0) + (beta[row] - (fold.deployed.bias?.[row] ?? 0)) / ratio;
			logs.push(Math.log(implied / variance[row]));
			shifts.push(Math.abs(solved - mean[row]) / Math.sqrt(variance[row] + epsilon));
		}
	}
	const logVariance = median(logs);
	const logVarianceSpread = median(logs.map((value) => Math.abs(value - logVariance)));
	const meanShift = median(shifts);
	const isPlausible =
		logs.length >= 4 &&
		logs.length >= 0.95 * informative &&
		Math.abs(logVariance) < MAX_CHANGE &&
		logVarianceSpread > MIN_SPREAD &&
		logVarianceSpread < MAX_CHANGE &&
		meanShift < MAX_CHANGE;
	return isPlausible ? { logVariance, logVarianceSpread, meanShift, rows: logs.length } : undefined;
}
