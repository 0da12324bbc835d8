import { expectedFold, type FoldParameters } from '../../operators/expected.js';
import { type Deviation, MAX_BITS, totalBits } from '../observed/deviation.js';
import { type RowRatios, RowState } from '../observed/ratios.js';

/** Measured ratios and the parameters that they should follow from, arrays of shape (rows). */
export interface ScaleProblem {
	readonly parameters: FoldParameters;
	readonly ratios: RowRatios;
	/** Bits gained by explaining a row, shape (rows); 0 if uninformative. */
	readonly weight: Float64Array;
}

/** Bits of a row without a factor, as many as a float32 ratio has. */
const DISTORTED_BITS = 24;

export function scaleProblem(parameters: FoldParameters, ratios: RowRatios): ScaleProblem {
	const right = expectedFold(null, parameters).scale;
	return { parameters, ratios, weight: ratioWeights(ratios, right) };
}

/**
 * Returns the bits of each row's ratio: the cost of stating it relative to the larger of itself and its right value.
 */
function ratioWeights({ low, high, state }: RowRatios, right: Float64Array): Float64Array {
	return low.map((from, row) => {
		if (state[row] !== RowState.multiple) {
			return state[row] === RowState.empty ? 0 : DISTORTED_BITS;
		}
		const magnitude = Math.max(Math.abs(from + high[row]) / 2, Math.abs(right[row]));
		const bits = Math.log2(magnitude / (high[row] - from));
		return Number.isNaN(bits) ? 0 : Math.min(Math.max(bits, 0), MAX_BITS);
	});
}

/** A formula that predicts the scale of every row. */
export interface ScaleHypothesis {
	readonly deviations: readonly Deviation[];
	/** Description length: the deviations and the rows left unexplained. */
	readonly bits: number;
	/** Predicted scale of a row that has these parameters. */
	readonly predict: (gamma: number, variance: number) => number;
	/** For a fitted parameter: half of the range of predictions among equally good values. */
	readonly uncertainty?: (gamma: number, variance: number) => number;
	/**
	 * Rule for the bias without an error of its own. By default the scale is used once, and the bias is (b - meanFactor *
	 * mean) * scale + beta.
	 */
	readonly bias: BiasRule;
}

export interface BiasRule {
	/** Factor on the mean: not 1 where the statistics themselves were wrong. */
	readonly meanFactor: number;
	/** True if the bias was folded with the right scale instead of the predicted scale. */
	readonly foldedRight?: boolean;
	/** The scale is a square: s (b' - mean) + beta with b' = (b - mean) s + beta. */
	readonly twice?: boolean;
}

export function predictScale({ predict }: ScaleHypothesis, { gamma, variance }: FoldParameters): Float64Array {
	return gamma.map((value, row) => predict(value, variance[row]));
}

/**
 * True if a row's ratio can be `scale`. The margin covers two more float32 roundings than the right formula has. It
 * does not cover the rounding of a narrower type.
 */
export function isRatio({ low, high, relative }: RowRatios, row: number, scale: number): boolean {
	const slack = Math.abs(scale) * Math.min(relative / 4, SLACK);
	return low[row] - slack <= scale && scale <= high[row] + slack;
}

const SLACK = 2 ** -23;

/** Charges a prediction for its deviations and its unexplained rows. */
export function scaleHypothesis(
	{ parameters, ratios, weight }: ScaleProblem,
	deviations: readonly Deviation[],
	predict: ScaleHypothesis['predict'],
	rest: Partial<Pick<ScaleHypothesis, 'bias' | 'uncertainty'>> = {},
): ScaleHypothesis {
	let bits = totalBits(deviations);
	for (let row = 0; row < weight.length; row++) {
		const scale = predict(parameters.gamma[row], parameters.variance[row]);
		bits += isRatio(ratios, row, scale) ? 0 : weight[row];
	}
	return { deviations, bits, predict, bias: { meanFactor: 1 }, ...rest };
}
