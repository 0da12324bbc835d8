import { expectedFold } from '../../operators/expected.js';
import { deviation, PARAMETER_BITS, VARIANT_BITS } from '../observed/deviation.js';
import { mostAgreed } from '../observed/intervals.js';
import { type ScaleHypothesis, type ScaleProblem, scaleHypothesis } from './scale-problem.js';

/**
 * The right weights times one constant, with the right bias: a scaling of the input that went into the first operator, for
 * instance. No mistake of folding leaves it. Without this reading a factor on the variance and an epsilon that is larger by
 * the same factor would be fitted to it, which come to the same.
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
	// Where the bias tells nothing, a factor on the variance is the likelier of the two.
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
