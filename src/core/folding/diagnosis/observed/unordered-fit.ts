import type { FoldParameters } from '../../operators/expected.js';
import { type RowRatios, RowState } from './ratios.js';

/** Bounds of the search for a factor on the variance and for an epsilon, as natural logarithms. */
const FACTORS: readonly [number, number] = [-14, 14];
const EPSILONS: readonly [number, number] = [Math.log(1e-12), 0];
/** Halvings until the bounds are a rounding error apart. */
const STEPS = 60;

/**
 * Returns the scales with a factor on the variance, and with another epsilon, that are a reordering of the measured
 * ratios. The product of all scales does not depend on their order, and decreases with either parameter.
 */
export function unorderedFits(parameters: FoldParameters, { low, high, state }: RowRatios): readonly Float64Array[] {
	const { gamma, variance, epsilon } = parameters;
	const logs = low.map((from, row) => Math.log(Math.abs(from + high[row]) / 2));
	const telling = Array.from(logs.keys()).filter((row) => Number.isFinite(logs[row]));
	const channels = Array.from(gamma.keys()).filter((channel) => gamma[channel] !== 0);
	if (telling.length !== channels.length || telling.some((row) => state[row] !== RowState.multiple)) {
		return [];
	}
	const target = telling.reduce((sum, row) => sum + logs[row], 0);
	const fit = ([from, to]: readonly [number, number], scaleWith: (parameter: number, channel: number) => number) => {
		const excess = (parameter: number) =>
			channels.reduce((sum, channel) => sum + Math.log(Math.abs(scaleWith(parameter, channel))), 0) - target;
		const root = fallingRoot((logarithm) => excess(Math.exp(logarithm)), from, to);
		return root === undefined ? [] : [gamma.map((_, channel) => scaleWith(Math.exp(root), channel))];
	};
	return [
		...fit(FACTORS, (k, channel) => gamma[channel] / Math.sqrt(k * variance[channel] + epsilon)),
		...fit(EPSILONS, (other, channel) => gamma[channel] / Math.sqrt(variance[channel] + other)),
	];
}

/** Returns a decreasing function's root by bisection; undefined outside the bounds. */
function fallingRoot(of: (x: number) => number, from: number, to: number): number | undefined {
	if (!(of(from) >= 0 && of(to) <= 0)) {
		return undefined;
	}
	let [low, high] = [from, to];
	for (let step = 0; step < STEPS; step++) {
		const middle = (low + high) / 2;
		if (of(middle) > 0) {
			low = middle;
		} else {
			high = middle;
		}
	}
	return (low + high) / 2;
}
