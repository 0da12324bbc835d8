import { expectedFold, type FoldParameters } from '../../operators/expected.js';
import { type Arrangement, movedChannels, permutationDeviation } from '../observed/arrangement.js';
import { KNOWN_EPSILONS, VARIANT_BITS } from '../observed/deviation.js';
import type { FoldCase } from '../observed/fold-case.js';
import { permutedParameters } from '../observed/permutation.js';
import type { RowRatios } from '../observed/ratios.js';
import { unorderedFits } from '../observed/unordered-fit.js';
import { FORMULAS, lawScale, MULTIPLIERS, STATISTICS } from './scale-laws.js';
import { predictScale, scaleProblem } from './scale-problem.js';
import { searchScale } from './scale-search.js';

/** Permutations of the parameters under which some formula gives the measured ratios. */
export function parameterOrders(fold: FoldCase, ratios: RowRatios): Arrangement[] {
	const { parameters } = fold;
	const { bias } = fold.deployed;
	for (const scale of candidateScales(fold.parameters, ratios)) {
		const expected = (row: number, channel: number) =>
			((fold.original.bias?.[row] ?? 0) - parameters.mean[channel]) * scale[channel] + parameters.beta[channel];
		const order = permutedParameters({
			ratios,
			scale,
			biasError: (row, channel) => Math.abs((bias?.[row] ?? 0) - expected(row, channel)),
		});
		if (order && movedChannels(order).length > 0) {
			const { layout } = fold.original;
			const all = permutationDeviation('parameters-permuted', order);
			const scaleOnly = permutationDeviation('parameters-permuted', order, VARIANT_BITS);
			return [
				{ deviation: all, layout, scaleOf: order, shiftOf: order },
				{ deviation: scaleOnly, layout, scaleOf: order },
			];
		}
	}
	return [];
}

/** Yields scales that may have been applied in another order: first the scales that almost fit, then every formula. */
function* candidateScales(parameters: FoldParameters, ratios: RowRatios): Generator<Float64Array> {
	const { gamma, variance, epsilon } = parameters;
	yield expectedFold(null, parameters).scale;
	for (const hypothesis of searchScale(scaleProblem(parameters, ratios), 1).slice(0, NEARLY_FITTING)) {
		yield predictScale(hypothesis, parameters);
	}
	yield* unorderedFits(parameters, ratios);
	const known = KNOWN_EPSILONS.map(([value]) => value);
	for (const multiplier of MULTIPLIERS) {
		yield gamma.map(multiplier.of);
		for (const formula of FORMULAS) {
			for (const statistic of STATISTICS) {
				const law = { formula, statistic, numerator: multiplier.of };
				for (const e of formula.code || statistic.code ? [epsilon] : [epsilon, ...known]) {
					yield gamma.map((value, channel) => lawScale(law, value, variance[channel], 1, e));
				}
			}
		}
	}
}

const NEARLY_FITTING = 6;
