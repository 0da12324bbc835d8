import { FLOAT_FORMATS, type FloatFormat, type FloatType } from '../numbers/float-formats.js';
import type { LayerParameters } from '../report/types.js';
import { type Affine, affine } from './affine.js';

/**
 * Largest distance of a correct runtime's output from the exact result: a priori rounding bounds, per channel. Notation
 * as in Higham, "Accuracy and Stability of Numerical Algorithms" (2nd ed., chapters 2 and 3): u is the unit roundoff,
 * fl(a op b) = (a op b)(1 + d) + e with |d| <= u and |e| <= tiny / 2 (underflow, multiplication only: sums of floats
 * never underflow inexactly), and gamma(k) = k u / (1 - k u) bounds the product of k factors (1 + d).
 *
 * onnxruntime's CPU kernel computes in its arithmetic type (batch_norm.h):
 *
 *     v = fl(variance + epsilon)                    1 factor; the square root halves it
 *     r = fl(sqrt(v))                               1 factor by IEEE, 4 granted
 *     i = fl(1 / r)                                 1 factor by IEEE, 4 granted
 *     s' = fl(gamma * i)                            1 factor, 1 underflow
 *     t' = fl(beta - fl(mean * s'))                 2 factors, 1 underflow
 *     y' = fl(fl(x * s') + t')                      2 factors, 1 underflow
 *
 * The four factors granted to sqrt and to the reciprocal are 2 ulp each: on some targets Eigen's vectorized forms are a
 * hardware approximation and a single Newton step. A fused multiply-add drops a rounding, so the bound holds for it,
 * too. With k = 10 factors, |s' - s| <= gamma(10)|s| + e, and
 *
 *     |fl(mean * s') - mean * s| <= gamma(11)|mean * s| + (|mean| + 1) e            =: E_m
 *     |t' - t| <= u|t| + (1 + u) E_m                                                =: E_t
 *     |y' - y| <= u|y| + (1 + u)(gamma(11)|x s| + (|x| + 1) e + E_t),   |y| <= |x||s| + |t|
 *
 * which is slope * |x| + offset. The same numbers cover the textbook order ((x - mean) / sqrt(v)) * gamma + beta and
 * the plain x * s + t of a decomposed layer: their terms in |x s|, |mean s| and |t| are smaller, term by term.
 *
 * For float16 and bfloat16 the runtime converts to float32, computes as above and rounds once: |fl16(y') - y| <= u16|y|
 * + (1 + u16)|y' - y| + tiny16 / 2. In a decomposed layer in float16, every operator rounds to the tensor's own type.
 * `arithmetic: 'own'` takes that type's u throughout. It assumes that parameters and epsilon are numbers of that type,
 * as constants of the graph are.
 *
 * Our float64 reference has the same error with u = 2^-53. It is added to every bound, and matters for float64 models
 * only.
 */
export interface RoundingBound {
	/** |y_runtime - y_reference| <= slope[c] * |x| + offset[c] for every element x of channel c. */
	readonly slope: Float64Array;
	/**
	 * Infinity (with slope 0, so that x = 0 gives no NaN) if scale or shift is not finite in the arithmetic type. No
	 * bound exists then; compare the kind (NaN, infinity, sign) instead.
	 */
	readonly offset: Float64Array;
}

/** Factors (1 + d) in s', see above. */
const SCALE_FACTORS = 10;

/** gamma(k): the relative error of k roundings. */
export function compounded(factors: number, u: number): number {
	const ku = factors * u;
	return ku < 1 ? ku / (1 - ku) : Number.POSITIVE_INFINITY;
}

/** Magnitudes that a bound depends on, arrays of shape (channels). */
interface Magnitudes {
	/** 0 where no separate gamma takes part. */
	readonly gamma: Float64Array;
	readonly scale: Float64Array;
	readonly shift: Float64Array;
	readonly mean: Float64Array;
}

/**
 * Loops over arrays without an object per channel. A model has layers for milliseconds only, too short for V8 to
 * optimize, and some ten thousand channels.
 */

function magnitudesOf({ gamma, scale, shift, mean }: AffineParameters): Magnitudes {
	const { length } = scale;
	const absolute = (values: ArrayLike<number> | undefined) => {
		const found = new Float64Array(length);
		for (let c = 0; values && c < length; c++) {
			found[c] = Math.abs(values[c]);
		}
		return found;
	};
	return { gamma: absolute(gamma), scale: absolute(scale), shift: absolute(shift), mean: absolute(mean) };
}

/** Adds the errors of s', t' and y' in a format, line by line of the derivation above. */
function addArithmeticErrors({ slope, offset }: RoundingBound, channels: Magnitudes, format: FloatFormat): void {
	const { gamma, scale, shift, mean } = channels;
	const u = format.unitRoundoff;
	// A whole `tiny`, not half: an approximated reciprocal may land on the neighbor.
	const e = format.tiny;
	const product = compounded(SCALE_FACTORS + 1, u);
	for (let c = 0; c < slope.length; c++) {
		const meanError = product * mean[c] * scale[c] + (mean[c] + 1) * e;
		const shiftError = u * shift[c] + (1 + u) * meanError;
		slope[c] += u * scale[c] + (1 + u) * (product * scale[c] + e);
		offset[c] += u * shift[c] + (1 + u) * (shiftError + e) + 2 * gamma[c] * e;
	}
}

/** Adds the last rounding to a narrower type. */
function narrow({ slope, offset }: RoundingBound, { scale, shift }: Magnitudes, format: FloatFormat): void {
	const { unitRoundoff: u, tiny } = format;
	for (let c = 0; c < slope.length; c++) {
		slope[c] = u * scale[c] + (1 + u) * slope[c];
		offset[c] = u * shift[c] + (1 + u) * offset[c] + tiny / 2;
	}
}

/** Adds the errors of the arithmetic type, of a narrower result type, and of the reference. */
function roundingBound(channels: Magnitudes, dtype: FloatType, arithmetic: 'runtime' | 'own'): RoundingBound {
	const { scale, shift } = channels;
	const isNarrow = dtype === 'float16' || dtype === 'bfloat16';
	const format = FLOAT_FORMATS[isNarrow && arithmetic === 'runtime' ? 'float32' : dtype];
	const bound = { slope: new Float64Array(scale.length), offset: new Float64Array(scale.length) };
	addArithmeticErrors(bound, channels, format);
	if (isNarrow) {
		narrow(bound, channels, FLOAT_FORMATS[dtype]);
	}
	addArithmeticErrors(bound, channels, FLOAT_FORMATS.float64);
	for (let c = 0; c < scale.length; c++) {
		if (!(scale[c] <= format.max && shift[c] <= format.max && bound.offset[c] < Number.POSITIVE_INFINITY)) {
			bound.slope[c] = 0;
			bound.offset[c] = Number.POSITIVE_INFINITY;
		}
	}
	return bound;
}

/** Parameters of a layer, each array with a value per channel. */
export type BoundParameters = { readonly [Name in keyof LayerParameters]: ArrayLike<number> } & {
	readonly epsilon: number;
};

function affineOf({ gamma, beta, mean, variance, epsilon }: BoundParameters): Affine {
	return affine(gamma, beta, mean, variance, epsilon);
}

/**
 * Returns the bound of an inference-mode layer with data and output of `dtype`. The last argument follows from the
 * first and saves computing it again.
 */
export function inferenceBound(
	parameters: BoundParameters,
	dtype: FloatType,
	arithmetic: 'runtime' | 'own' = 'runtime',
	{ scale, shift }: Affine = affineOf(parameters),
): RoundingBound {
	const { gamma, mean } = parameters;
	return affineBound({ scale, shift, gamma, mean }, dtype, arithmetic);
}

export interface AffineParameters {
	readonly scale: ArrayLike<number>;
	readonly shift: ArrayLike<number>;
	/** Gamma and beta are absent if a decomposed layer's constants cannot be separated: it computes x * s + t only. */
	readonly gamma?: ArrayLike<number>;
	readonly mean?: ArrayLike<number>;
}

/** {@link inferenceBound} from scale and shift. */
export function affineBound(
	parameters: AffineParameters,
	dtype: FloatType,
	arithmetic: 'runtime' | 'own' = 'runtime',
): RoundingBound {
	return roundingBound(magnitudesOf(parameters), dtype, arithmetic);
}

/**
 * Widens a bound for an x that was rounded to `format` when it was captured. The layer got x' before rounding, because
 * the runtime computes float16 operators in float32 and drops the casts between them. With |x' - x| <= u|x| + tiny / 2
 * the output moves by |s||x' - x|. The bound itself is in |x'| and grows by slope |x' - x|.
 * @param scale by channel, like the bound
 */
export function withRoundedInput(bound: RoundingBound, scale: ArrayLike<number>, format: FloatFormat): RoundingBound {
	const { unitRoundoff: u, tiny } = format;
	const widened = { slope: Float64Array.from(bound.slope), offset: Float64Array.from(bound.offset) };
	for (let c = 0; c < widened.slope.length; c++) {
		const steepness = bound.slope[c] + Math.abs(scale[c]);
		// A channel without a bound stays without.
		if (bound.offset[c] < Number.POSITIVE_INFINITY) {
			widened.slope[c] += u * steepness;
			widened.offset[c] += (tiny / 2) * steepness;
		}
	}
	return widened;
}

/** Shape of the batch behind a training-mode layer's statistics. */
export interface BatchShape {
	/** N. */
	readonly images: number;
	/** Product of the spatial dimensions; 1 for rank 2. */
	readonly planeSize: number;
	/** Format of captured x, if the layer used x before it was rounded. */
	readonly roundedTo?: FloatFormat;
}

/**
 * Returns the bound of a training-mode layer. `mean` and `variance` are the exact batch statistics. The runtime
 * computes them in its arithmetic type (float32, or float64) in two passes: m' = fl(sum x / m), then fl(sum (x - m')^2
 * / m). It sums each plane in at least four vector lanes, and then the planes. A sum's longest chain of additions is n
 * = planeSize / 4 + images + 8 (lanes, remainder and alignment; never more than m). With A = mean |x| <= sqrt(variance
 * + mean^2)
 *
 *     |m' - mean| <= gamma(n + 1) A                                                 =: e_m
 *     |v' - variance| <= gamma(n + 4)(variance + e_m^2) + e_m^2                     =: e_v
 *
 * because the squares are all positive. The rest is the inference-mode bound at the perturbed statistics. With v =
 * variance + epsilon and v' >= 0, the scale changes by a factor between sqrt(v / (v + e_v)) and sqrt(v / max(v - e_v,
 * epsilon)), that is by rho at most. Then (x - mean) s + beta moves by |x - mean||s| rho + |s|(1 + rho) e_m. Long sums
 * make this looser than the bound of inference. It is infinite if rounding alone could bring v' + epsilon to 0.
 *
 * An x that was rounded after the layer had used it ({@link withRoundedInput}) is off by at most e_r = u A + tiny / 2
 * in the root mean square. So mean and deviation are off by at most e_r, and the variance by 2 e_r sqrt(variance) +
 * e_r^2.
 */
export function trainingBound(parameters: BoundParameters, batch: BatchShape, dtype: FloatType): RoundingBound {
	const u = FLOAT_FORMATS[dtype === 'float64' ? 'float64' : 'float32'].unitRoundoff;
	const chain = Math.min(batch.images * batch.planeSize, Math.ceil(batch.planeSize / 4) + batch.images + 8);
	return statisticsBound(parameters, dtype, 'runtime', (mean, variance) => {
		const size = Math.sqrt(variance + mean ** 2);
		const rounding = batch.roundedTo ? batch.roundedTo.unitRoundoff * size + batch.roundedTo.tiny / 2 : 0;
		const moved = 2 * rounding * Math.sqrt(variance) + rounding ** 2;
		const meanError = compounded(chain + 1, u) * (size + rounding) + rounding;
		const varianceError = compounded(chain + 4, u) * (variance + moved + meanError ** 2) + moved + meanError ** 2;
		return { mean: meanError, variance: varianceError, least: 0 };
	});
}

/** Errors of computed statistics. */
export interface StatisticsError {
	readonly mean: number;
	readonly variance: number;
	/** Smallest computable variance: 0 for a mean of squares, -Infinity for a difference. */
	readonly least: number;
}

/**
 * Returns the bound of a normalization with statistics that are computed from the data, as {@link trainingBound}
 * derives it.
 * @param parameters exact statistics, with gamma and beta
 * @param errorOf errors of the computed mean and variance
 */
export function statisticsBound(
	parameters: BoundParameters,
	dtype: FloatType,
	arithmetic: 'runtime' | 'own',
	errorOf: (mean: number, variance: number, channel: number) => StatisticsError,
): RoundingBound {
	const { gamma, mean, variance, epsilon } = parameters;
	const { scale, shift } = affineOf(parameters);
	const { length } = scale;
	const channels = magnitudesOf({ scale, shift, gamma, mean });
	const added = { slope: new Float64Array(length), offset: new Float64Array(length) };
	for (let c = 0; c < length; c++) {
		const error = errorOf(mean[c], variance[c], c);
		const meanError = error.mean;
		const change = scaleChange(variance[c] + epsilon, error.variance, Math.max(error.least + epsilon, 0));
		const s = channels.scale[c];
		const m = channels.mean[c];
		const moved = m * s * change + s * (1 + change) * meanError;
		// Not finite: no bound.
		channels.scale[c] = Number.isFinite(s * change + moved) ? s * (1 + change) : Number.POSITIVE_INFINITY;
		channels.shift[c] += moved;
		channels.mean[c] = m + meanError;
		added.slope[c] = s * change;
		added.offset[c] = moved;
	}
	const bound = roundingBound(channels, dtype, arithmetic);
	for (let c = 0; c < length; c++) {
		if (bound.offset[c] !== Number.POSITIVE_INFINITY) {
			bound.slope[c] += added.slope[c];
			bound.offset[c] += added.offset[c];
		}
	}
	return bound;
}

/** rho: largest relative change of 1 / sqrt(v) for a v that is off by `error` and at least `floor`. */
function scaleChange(v: number, error: number, floor: number): number {
	const growth = Math.sqrt(v / Math.max(v - error, floor)) - 1;
	const shrinkage = 1 - Math.sqrt(v / (v + error));
	return Math.max(growth, shrinkage);
}
