/** Linear map of an inference-mode layer, per channel: y = x * scale + shift. */
export interface Affine {
	/** s = gamma / sqrt(variance + epsilon). */
	readonly scale: Float64Array;
	/** t = beta - mean * s. */
	readonly shift: Float64Array;
}

/**
 * Computes effective scale and shift in float64 (arXiv 1502.03167, algorithm 2, line 11; ONNX BatchNormalization). All
 * arrays have the same length: C, or C * D1 * … * Dn for a per-activation layer. IEEE rules apply: a negative variance
 * + epsilon gives NaN and a zero sum an infinity, as in the runtime.
 * @throws {RangeError} when the lengths differ: a caller's mistake, never a property of a file.
 */
export function affine(
	gamma: ArrayLike<number>,
	beta: ArrayLike<number>,
	mean: ArrayLike<number>,
	variance: ArrayLike<number>,
	epsilon: number,
): Affine {
	const length = gamma.length;
	if (beta.length !== length || mean.length !== length || variance.length !== length) {
		const lengths = [length, beta.length, mean.length, variance.length].join(', ');
		throw new RangeError(`gamma, beta, mean and variance must have one length, not ${lengths}.`);
	}
	const scale = new Float64Array(length);
	const shift = new Float64Array(length);
	for (let c = 0; c < length; c++) {
		const s = gamma[c] / Math.sqrt(variance[c] + epsilon);
		scale[c] = s;
		shift[c] = beta[c] - mean[c] * s;
	}
	return { scale, shift };
}

/**
 * Computes scale and shift as onnxruntime's CPU kernel does (batch_norm.h), with every step rounded to float32. The
 * kernel's output is then round(round(x * scale) + shift) to the last bit. Exceptions are compilers that fuse the two
 * steps, and processors that approximate square roots. Lengths as for {@link affine}.
 */
export function runtimeAffine(
	gamma: ArrayLike<number>,
	beta: ArrayLike<number>,
	mean: ArrayLike<number>,
	variance: ArrayLike<number>,
	epsilon: number,
): Affine {
	const { fround, sqrt } = Math;
	const scale = new Float64Array(gamma.length);
	const shift = new Float64Array(gamma.length);
	for (let c = 0; c < gamma.length; c++) {
		const inverse = fround(1 / fround(sqrt(fround(fround(variance[c]) + fround(epsilon)))));
		const s = fround(fround(gamma[c]) * inverse);
		scale[c] = s;
		shift[c] = fround(fround(beta[c]) - fround(fround(mean[c]) * s));
	}
	return { scale, shift };
}
