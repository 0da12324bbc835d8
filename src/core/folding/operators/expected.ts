import { affine } from '../../batchnorm/affine.js';
import { FLOAT_FORMATS, type FloatType, roundTo } from '../../numbers/float-formats.js';
import type { LayerParameters } from '../../report/types.js';
import { type ChannelLayout, channelCount, forEachRun, rowLength } from './layout.js';

/**
 * Constants of a linear operator: y = weight * x + bias, with a row of `weight` and a value of `bias` per output
 * channel.
 */
export interface LinearWeights {
	/** Weight in the tensor's own order, with Gemm's alpha multiplied in. */
	readonly weight: Float32Array | Float64Array;
	readonly layout: ChannelLayout;
	/** Gemm's beta multiplied in; null: the operator has none, which means 0. */
	readonly bias: Float64Array | null;
	/** Error that a runtime may leave in each row of a computed weight, shape (rows); absent for a weight of the file. */
	readonly weightSlack?: Float64Array;
	/**
	 * Error that float32 may leave in a bias that is a sum over its row, beside that of the bias's own formula, shape (rows);
	 * absent for a bias that is stored as it is.
	 */
	readonly biasSlack?: Float64Array;
}

/**
 * BN parameters spread over the rows of the weight that they fold into, all arrays of shape (rows). Usually row and
 * channel are the same; if a Reshape splits a channel over several rows, each row holds its channel's values.
 */
export interface FoldParameters extends LayerParameters {
	readonly epsilon: number;
	/** Errors that a runtime may leave in s and in beta - mean s, shape (rows); absent for parameters of the file. */
	readonly scaleError?: Float64Array;
	readonly shiftError?: Float64Array;
}

/** Returns the sum of two biases; null stands for no bias. */
export function addBiases(a: Float64Array | null, b: Float64Array | null): Float64Array | null {
	return a && b ? a.map((value, index) => value + b[index]) : (a ?? b);
}

/** Gathers parameters (or a bias): entry r of the result is entry rows[r] of the source. */
export function gather(values: Float64Array, rows: ArrayLike<number>): Float64Array {
	return Float64Array.from(rows, (row) => values[row]);
}

export function gatherParameters(parameters: FoldParameters, rows: ArrayLike<number>): FoldParameters {
	return {
		gamma: gather(parameters.gamma, rows),
		beta: gather(parameters.beta, rows),
		mean: gather(parameters.mean, rows),
		variance: gather(parameters.variance, rows),
		epsilon: parameters.epsilon,
		...(parameters.scaleError && { scaleError: gather(parameters.scaleError, rows) }),
		...(parameters.shiftError && { shiftError: gather(parameters.shiftError, rows) }),
	};
}

/** Constants that a correct fold gives an operator, in float64 before rounding. */
export interface ExpectedFold {
	/** s = gamma / sqrt(variance + epsilon): row c of the weight is multiplied by scale[c]. */
	readonly scale: Float64Array;
	/** (b - mean) * s + beta. */
	readonly bias: Float64Array;
}

/**
 * Folds a BN into the linear operator in front: W' = s W over the output channels, b' = (b - mean) s + beta (arXiv
 * 1502.03167, section 3.2). {@link ChannelLayout} applies it to ONNX's Conv, ConvTranspose, Gemm and MatMul.
 */
export function expectedFold(bias: Float64Array | null, parameters: FoldParameters): ExpectedFold {
	const { gamma, beta, mean, variance, epsilon } = parameters;
	const { scale } = affine(gamma, beta, mean, variance, epsilon);
	return { scale, bias: scale.map((s, c) => ((bias?.[c] ?? 0) - mean[c]) * s + beta[c]) };
}

/** Multiplies every row by its scale in float64; rounds once. */
export function scaleRows(
	weight: Float32Array | Float64Array,
	layout: ChannelLayout,
	scale: Float64Array,
	dtype: FloatType,
): Float32Array | Float64Array {
	const result = weight.slice();
	forEachRun(layout, (channel, start) => {
		const s = scale[channel];
		for (let index = start; index < start + layout.inner; index++) {
			result[index] = roundTo(weight[index] * s, dtype);
		}
	});
	return result;
}

/** Row layouts of a weight tensor by input and by output channels. */
export interface ForwardLayouts {
	readonly input: ChannelLayout;
	readonly output: ChannelLayout;
}

/**
 * Folds a BN in front of a linear operator into it: W (s x + t) + b = (W s) x + (b + W t), with s and t over the *input*
 * channels. Exact only without padding, or where t is 0: padding inserts zeros after the BN, not before it, so a padded
 * border sees W x alone. The caller decides; this computes the interior.
 * @returns the bias b + W t of each output channel, unrounded; the weight is `scaleRows(weight, input, s, dtype)`.
 */
export function forwardBias(
	weight: Float32Array | Float64Array,
	layouts: ForwardLayouts,
	bias: Float64Array | null,
	shift: Float64Array,
): Float64Array {
	const output = new Int32Array(weight.length);
	forEachRun(layouts.output, (channel, start) => {
		output.fill(channel, start, start + layouts.output.inner);
	});
	const result = bias?.slice() ?? new Float64Array(channelCount(layouts.output));
	forEachRun(layouts.input, (channel, start) => {
		const t = shift[channel];
		for (let index = start; index < start + layouts.input.inner; index++) {
			result[output[index]] += weight[index] * t;
		}
	});
	return result;
}

/** Multiple of the square root of the number of additions: a sum of n terms exceeds it with probability 2 exp(-8). */
const SUM_DEVIATIONS = 4;
/** Roundings of a term: 10 of the shift, 1 of its product with the weight, 1 of the last addition. */
const TERM_ROUNDINGS = 12;

/**
 * Returns the error that a forward fold in float32 may leave in each output channel's bias: of n additions, roundings
 * add up to about sqrt(n) u with high probability (Higham and Mary, "A new approach to probabilistic rounding error
 * analysis", 2019), relative to the sum of the terms' magnitudes.
 * @param magnitude largest magnitude inside the shift of each input channel: |beta| + |mean s|
 */
export function forwardSlack(
	weight: Float32Array | Float64Array,
	layouts: ForwardLayouts,
	bias: Float64Array | null,
	magnitude: Float64Array,
): Float64Array {
	const terms = forwardBias(weight.map(Math.abs), layouts, bias?.map(Math.abs) ?? null, magnitude);
	const additions = rowLength(layouts.output);
	const relative = compounded(
		TERM_ROUNDINGS + SUM_DEVIATIONS * Math.sqrt(additions),
		FLOAT_FORMATS.float32.unitRoundoff,
	);
	return terms.map((sum) => sum * relative);
}

/**
 * Largest distance of another tool's correct fold from the exact fold: |found - exact| <= relative * |exact| + absolute
 * for weights. With u the unit roundoff of the arithmetic that the tool folds in, and gamma(k) = k u / (1 - k u)
 * (Higham, "Accuracy and Stability of Numerical Algorithms", chapter 3):
 *
 *     v  = fl(variance + epsilon)    1 rounding; 1 more for an epsilon kept as double or as float: halved by the root
 *     d  = fl(sqrt(v))               1, 2 granted: vectorized square roots are off by up to one ulp on some targets
 *     s' = fl(gamma / d)             1, or 2 as a reciprocal and a product, and 1 more granted for the reciprocal
 *     W' = fl(W s')                  1
 *
 * 1 + 2 + 3 + 1 = 7 roundings. In either order, (b - mean) s + beta or b s + (beta - mean s), the bias is a sum of b s,
 * mean s and beta. Each product takes 7 roundings and at most 3 additions, beta at most 2 additions, so
 *
 *     |b' - exact| <= gamma(10) (|b s| + |mean s|) + gamma(2) |beta|
 *
 * A tool that folds in a wider type and rounds once to a narrower type adds the narrower type's u, relative to the
 * result, and half its smallest subnormal.
 */
export interface FoldTolerance {
	readonly weightRelative: number;
	readonly weightAbsolute: number;
	/** Tolerances relative to |b s| + |mean s|, and to |beta|. */
	readonly biasTerms: number;
	readonly biasBeta: number;
	/** Last rounding, relative to the bias itself. */
	readonly biasRelative: number;
	readonly biasAbsolute: number;
}

const WEIGHT_ROUNDINGS = 7;
const BIAS_ROUNDINGS = 10;
const BETA_ROUNDINGS = 2;

const compounded = (roundings: number, u: number): number => (roundings * u) / (1 - roundings * u);

/** Returns the tolerance of a fold in `arithmetic`, stored as `stored`. */
export function foldTolerance(stored: FloatType, arithmetic: FloatType = stored): FoldTolerance {
	const { unitRoundoff: u, tiny } = FLOAT_FORMATS[arithmetic];
	const last = FLOAT_FORMATS[stored];
	const rounding = stored === arithmetic ? 0 : last.unitRoundoff;
	return {
		weightRelative: compounded(WEIGHT_ROUNDINGS, u) + rounding,
		// Allows one subnormal of the arithmetic for W s', and W subnormals for s' itself. Weights above 1 are rare, and s'
		// is far from 0.
		weightAbsolute: 2 * tiny + (rounding && last.tiny / 2),
		biasTerms: compounded(BIAS_ROUNDINGS, u),
		biasBeta: compounded(BETA_ROUNDINGS, u),
		biasRelative: rounding,
		biasAbsolute: 3 * tiny + (rounding && last.tiny / 2),
	};
}

/** Largest rounding error, as a share of a quantization step: half a step, and the rounding of the step itself. */
export const ROUNDED_STEPS = 0.5 + 1e-3;

/**
 * Allowed error of each row's bias: the bound of {@link FoldTolerance} with `scale` for s, and half a step where the bias is
 * quantized.
 * @param steps quantization step of each row's bias, shape (rows); none for a bias in float
 */
export function biasBounds(
	tolerance: FoldTolerance,
	bias: Float64Array | null,
	{ beta, mean }: Pick<FoldParameters, 'beta' | 'mean'>,
	scale: Float64Array,
	steps?: Float64Array,
): Float64Array {
	return scale.map((s, c) => {
		const terms = Math.abs((bias?.[c] ?? 0) * s) + Math.abs(mean[c] * s);
		const largest = terms + Math.abs(beta[c]);
		return (
			tolerance.biasTerms * terms +
			tolerance.biasBeta * Math.abs(beta[c]) +
			tolerance.biasRelative * largest +
			tolerance.biasAbsolute +
			ROUNDED_STEPS * (steps?.[c] ?? 0)
		);
	});
}
