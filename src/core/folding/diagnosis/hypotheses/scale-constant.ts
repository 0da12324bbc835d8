import { expectedFold } from '../../operators/expected.js';
import { deviation, PARAMETER_BITS, VARIANT_BITS } from '../observed/deviation.js';
import { mostAgreed } from '../observed/intervals.js';
import { type ScaleHypothesis, type ScaleProblem, scaleHypothesis } from './scale-problem.js';

/**
 * Explains the weights as the right weights times a constant, with the right bias, for example after scaling the input
 * of the first operator. No error of folding has this effect. Without this hypothesis, an equivalent explanation would
 * fit: a factor on the variance with an epsilon larger by the same factor.
 */
export function constantFactor(problem: ScaleProblem): ScaleHypothesis[] {
	const { parameters, ratios, weight } = problem;
	const { scale } = expectedFold(null, parameters);
	const over = (values: Float64Array, others: Float64Array, pick: (a: number, b: number) => number) =>
		scale.map((right, row) => pick(values[row] / right, others[row] / right));
	const agreed = mostAgreed({
		low: over(ratios.low, ratios.high, Math.min),
		high: over(ratios.low, ratios.high, Math.max),
		weight: weight.map((bits, row) => (scale[row] !== 0 && ratios.low[row] <= ratios.high[row] ? bits : 0)),
	});
	if (!agreed || (agreed.low <= 1 && 1 <= agreed.high) || agreed.low * agreed.high <= 0) {
		return [];
	}
	// With an uninformative bias, a factor on the variance is likelier.
	const factor = (agreed.low + agreed.high) / 2;
	const right = (gamma: number, variance: number) => gamma / Math.sqrt(variance + parameters.epsilon);
	return [
		scaleHypothesis(
			problem,
			[deviation('unknown', PARAMETER_BITS + 2 * VARIANT_BITS, { factor })],
			(gamma, variance) => factor * right(gamma, variance),
			{
				bias: { meanFactor: 1, foldedRight: true },
				uncertainty: (gamma, variance) => (Math.abs(right(gamma, variance)) * (agreed.high - agreed.low)) / 2,
			},
		),
	];
}
