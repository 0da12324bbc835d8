import { FLOAT_FORMATS, type FloatType } from '../numbers/float-formats.js';
import { type BoundParameters, compounded, type RoundingBound, statisticsBound } from './bound.js';
import type { HandBuilt } from './layer.js';

/** Roundings of an element on its way into a variance: a difference, a square (Pow: 4 granted) and the result. */
const ELEMENT_FACTORS = 8;
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
 *     |m' - mean|     <= (gamma_u(m + 1) + gamma_w(2)) A                                 =: e_m,  A = sqrt(variance + mean^2)
 *     |v' - variance| <= (gamma_u(m + 1) + gamma_w(8)) (variance + e_m^2) + e_m^2                     mean of (x - m')^2
 *     |v' - variance| <= (gamma_u(m + 1) + gamma_w(8)) 2 A^2 + (2 |mean| + e_m) e_m (1 + gamma_w(8))  mean of x^2 - m'^2
 *
 * and underflow of a square adds the type's smallest number. The rest is as for a layer in training mode.
 * @param parameters exact statistics with gamma and beta, one value per row
 * @param count m, values behind each statistic
 */
export function handBuiltBound(
	parameters: BoundParameters,
	{ count, variance: form, unbiased }: { readonly count: number } & Pick<HandBuilt, 'variance' | 'unbiased'>,
	dtype: FloatType,
): RoundingBound {
	const { unitRoundoff: w, tiny } = FLOAT_FORMATS[dtype];
	const u = FLOAT_FORMATS[dtype === 'float64' ? 'float64' : 'float32'].unitRoundoff;
	const meanFactor = compounded(count + 1, u) + compounded(2, w);
	const factors = ELEMENT_FACTORS + (unbiased === undefined ? 0 : UNBIASED_FACTORS);
	const factor = compounded(count + 1, u) + compounded(factors, w);
	return statisticsBound(parameters, dtype, 'own', (mean, variance) => {
		const square = variance + mean ** 2;
		const e = meanFactor * Math.sqrt(square) + tiny;
		if (form === 'centered') {
			return { mean: e, variance: factor * (variance + e ** 2) + e ** 2 + tiny, least: 0 };
		}
		const ofSquare = (2 * Math.abs(mean) + e) * e * (1 + compounded(factors, w));
		return { mean: e, variance: 2 * factor * square + ofSquare + 2 * tiny, least: Number.NEGATIVE_INFINITY };
	});
}
