import { FLOAT_FORMATS, type FloatType } from '../numbers/float-formats.js';
import { type BoundParameters, compounded, type RoundingBound, statisticsBound } from './bound.js';
import { type DeviationForm, squaredDeviation } from './handbuilt-deviation.js';
import type { HandBuilt } from './layer.js';

/**
 * Roundings of an element on its way into a variance: a difference, a square (Pow: 4 granted), the root and square of
 * ReduceL2 (4 granted, twice, and 1), the result, and twice that of a constant for its count with its product.
 */
const ELEMENT_FACTORS = 20;
/** Roundings of a mean: its result, or one for each of up to three means of means; a constant with its product. */
const MEAN_FACTORS = 6;
/**
 * Further roundings of an unbiased variance: the count, its decrement, a product and a quotient, and as many again of the
 * exact parameters that stand for it.
 */
const UNBIASED_FACTORS = 8;

/**
 * Returns the bound of a hand-built normalization. Each of its operators rounds to the data's type. The order in which
 * a runtime adds the m values of a mean is unknown, so the bound allows a chain of m additions. Sums of float16 and
 * bfloat16 are computed in float32. With u the unit roundoff of sums and w the unit roundoff of the data's type:
 *
 *     |m' - mean|     <= (gamma_u(m + 1) + gamma_w(6)) A                                 =: e_m,  A = sqrt(variance + mean^2)
 *     |v' - variance| <= (gamma_u(m + 1) + gamma_w(20)) (variance + e_m^2) + e_m^2                     mean of (x - m')^2
 *     |v' - variance| <= (gamma_u(m + 1) + gamma_w(20)) 2 A^2 + (2 |mean| + e_m) e_m (1 + gamma_w(20))  mean of x^2 - m'^2
 *
 * and underflow of a square adds the type's smallest number. The deviation grows with the variance, so its errors are
 * those at v - |v' - v| and v + |v' - v|. The rest is as for a layer in training mode.
 * @param parameters exact statistics with gamma and beta, one value per row; the variance is biased
 * @param count m, values behind each statistic
 */
export function handBuiltBound(
	parameters: Omit<BoundParameters, 'epsilon'>,
	{ count, variance: form, deviation }: HandBuiltForm,
	dtype: FloatType,
): RoundingBound {
	const { unitRoundoff: w, tiny } = FLOAT_FORMATS[dtype];
	const u = FLOAT_FORMATS[dtype === 'float64' ? 'float64' : 'float32'].unitRoundoff;
	const meanFactor = compounded(count + 1, u) + compounded(MEAN_FACTORS, w);
	const factors = ELEMENT_FACTORS + (deviation.correction === 1 ? 0 : UNBIASED_FACTORS);
	const factor = compounded(count + 1, u) + compounded(factors, w);
	const { variance } = parameters;
	const squared = Float64Array.from(variance, (value) => squaredDeviation(deviation, value));
	/** The difference of two means may be negative, a mean of squares is not. */
	const least = form === 'centered' ? 0 : Number.NEGATIVE_INFINITY;
	const varianceError = (mean: number, exact: number, e: number) => {
		if (form === 'centered') {
			return factor * (exact + e ** 2) + e ** 2 + tiny;
		}
		const ofSquare = (2 * Math.abs(mean) + e) * e * (1 + compounded(factors, w));
		return 2 * factor * (exact + mean ** 2) + ofSquare + 2 * tiny;
	};
	return statisticsBound({ ...parameters, variance: squared, epsilon: 0 }, dtype, 'own', (mean, square, row) => {
		const exact = variance[row];
		const e = meanFactor * Math.sqrt(exact + mean ** 2) + tiny;
		const off = varianceError(mean, exact, e);
		const lowest = squaredDeviation(deviation, Math.max(exact - off, least));
		// The root of a negative number: no bound.
		const below = Number.isNaN(lowest) && !Number.isNaN(square) ? Number.POSITIVE_INFINITY : square - lowest;
		const above = squaredDeviation(deviation, exact + off) - square;
		return { mean: e, variance: Math.max(below, above), least: leastSquare(deviation, least) };
	});
}

export interface HandBuiltForm extends Pick<HandBuilt, 'variance'> {
	readonly count: number;
	readonly deviation: DeviationForm;
}

/** Returns the smallest square of a deviation that can be computed. */
function leastSquare(deviation: DeviationForm, leastVariance: number): number {
	const square = squaredDeviation(deviation, leastVariance);
	return Number.isNaN(square) ? 0 : square;
}
