/**
 * The numeric kernels' contract. Every implementation gives the same results to the bounds stated here; `kind` tells
 * which one runs. Arithmetic is float64 throughout, whatever the data's type: products of two float32 are exact there.
 */

import type { FloatType } from '../core/numbers/float-formats.js';

/** Elements as stored: float16 and bfloat16 are Uint16Array bit patterns. */
export type FloatData = Float32Array | Float64Array | Uint16Array;

/**
 * Shape (N, C, D1, …, Dn), row-major: value (n, c, i) is at (n * channels + c) * planeSize + i. Rank 2: planeSize = 1.
 * Any of the three may be 0.
 */
export interface Layout {
	/** N. */
	readonly batch: number;
	/** C. */
	readonly channels: number;
	/** D1 * … * Dn. */
	readonly planeSize: number;
}

/** y = scale * x + shift. Length C, or C * planeSize (row-major) with `perActivation`. */
export interface ApplyRequest {
	readonly x: FloatData;
	readonly type: FloatType;
	readonly layout: Layout;
	readonly scale: Float64Array;
	readonly shift: Float64Array;
	/**
	 * Subtracted from x before scaling: y = scale * (x - center) + shift, the unfolded form, with center = mean,
	 * scale = gamma / sqrt(variance + epsilon), shift = beta. It keeps its accuracy where shift - center * scale cancels.
	 */
	readonly center?: Float64Array;
	readonly perActivation?: boolean;
	/** Where y goes: x's type and length (may be x itself), or a Float32Array for a half type. Rounded once. */
	readonly out: FloatData;
}

/** Judges y, computed by somebody else, against scale * x + shift. */
export interface VerifyRequest {
	readonly x: FloatData;
	readonly y: FloatData;
	readonly type: FloatType;
	readonly layout: Layout;
	/** Length C, or C * planeSize (row-major) with `perActivation`; so are the other three. */
	readonly scale: Float64Array;
	readonly shift: Float64Array;
	/** |y - (scale * x + shift)| may be up to boundSlope * |x| + boundOffset. Infinity: any finite y will do. */
	readonly boundSlope: Float64Array;
	readonly boundOffset: Float64Array;
	/**
	 * The scale and shift that y was probably computed with, in float32: round(round(x * scale) + shift). Of a y that is
	 * just that, bit for bit, it is known how far it can be off. The better they are, the closer are the limits below;
	 * without them those above are taken, rounded.
	 */
	readonly likely?: { readonly scale: Float64Array; readonly shift: Float64Array };
	readonly perActivation?: boolean;
}

/**
 * Per channel (length C, also with `perActivation`), over the channel's batch * planeSize values.
 *
 * An element's error is |y - ref|, ref = scale * x + shift in float64. Where ref or y is not finite there is no such
 * number: the error is then 0 if y is what ref rounds to (the same infinity, also when ref overflows the type or comes
 * within the bound of doing so; NaN for NaN), otherwise Infinity, and the maxima below with it.
 *
 * Of a channel with an element above its bound all numbers are the errors' own. Where every element is within its own,
 * which the SIMD kernel proves in float32 without computing their errors, `maxAbs` and what follows from it are upper
 * limits: with S and T the likely scale and shift in float32, X the largest |x| and u = 2^-24, too large by at most
 * 2 ((|S - scale| + 2 u |S|) X + |T - shift| + u |T|) and 2^-20 of themselves: a few units in the last place of S X or T,
 * whichever is larger, however much of them cancels. Plain
 * TypeScript always gives the largest errors themselves. Maxima may be rounded to 22 bits.
 */
export interface VerifyResult {
	/** Largest error, or its limit. */
	readonly maxAbs: Float64Array;
	/**
	 * Above 1, a mismatch: the largest error / (boundSlope * |x| + boundOffset) of the same element. Otherwise maxAbs / bound,
	 * with 0 / 0 = 0.
	 */
	readonly boundRatio: Float64Array;
	/** Largest boundSlope * |x| + boundOffset over finite x: the most that any element of the channel may be off. */
	readonly bound: Float64Array;
	/**
	 * Of a channel above its bound (of an activation, with `perActivation`) the sum of the squared finite errors; otherwise
	 * its limit, values * maxAbs^2.
	 */
	readonly sumSquares: Float64Array;
	/**
	 * Whether every y of the tensor is, to the last bit, the one that the likely scale and shift give in float32. False also
	 * where nobody looked: in plain TypeScript.
	 */
	readonly asPredicted: boolean;
	/** Of the whole tensor: largest error in units in the last place of the type, at ref rounded to the type. */
	readonly maxUlp: number;
	/** Of the whole tensor: largest error / |ref|; |ref| counts as the type's smallest positive number where smaller. */
	readonly maxRel: number;
	/** Index n * planeSize + i of the channel's first element above its bound; -1: none. Exact up to 2^53. */
	readonly firstBad: Float64Array;
	/** Number of y that are NaN or infinite; `moments` counts those x. */
	readonly nonFiniteY: Float64Array;
	/** Values per channel: m' = batch * planeSize. */
	readonly count: number;
	/** Moments of the finite x, per channel. */
	readonly moments: Moments;
}

/**
 * Count, mean and sum of squared deviations (M2), one of each a statistic; `mergeMoments` joins those of parts of the
 * data exactly as if they had been taken over the whole. Non-finite values are left out and counted.
 */
export interface Moments {
	/** Finite values that went in. */
	readonly count: Float64Array;
	/** 0 where `count` is 0. */
	readonly mean: Float64Array;
	/** Sum of (x - mean)^2: divided by count the biased variance, by count - 1 the unbiased one. */
	readonly m2: Float64Array;
	/** NaN and infinite values that were left out. */
	readonly nonFinite: Float64Array;
}

/**
 * Over which axes a mean and a variance are taken, and so how many there are:
 * `channel`: over N and the spatial axes, C statistics (BN for convolutions, arXiv 1502.03167 section 3.2);
 * `activation`: over N, C * planeSize statistics (ONNX spatial=0); `location`: over N and C, planeSize statistics (no operator).
 */
export type StatisticsAxes = 'channel' | 'activation' | 'location';

export interface Kernel {
	readonly kind: 'simd' | 'scalar';
	/** @throws {RangeError} when lengths and layout disagree, {TypeError} when array and type do; so do the others. */
	verify(request: VerifyRequest): VerifyResult;
	apply(request: ApplyRequest): void;
	/** Relative error of m2 below 2^-28, whatever the mean (derivation: assembly/records.ts). */
	moments(x: FloatData, type: FloatType, layout: Layout, axes?: StatisticsAxes): Moments;
	/**
	 * An array in the kernel's own memory (16-byte aligned, contents undefined), for a runtime to write a tensor into:
	 * such x, y and out are used in place, others are streamed through a small workspace. Memory only grows, and growing
	 * detaches every array handed out before: `reserve` the total first. `reset` frees all of them at once.
	 * @throws {RangeError} when the memory cannot grow that far (4 GiB at most).
	 */
	allocate(type: FloatType, length: number): FloatData;
	/** Makes room for `bytes` (plus 16 an array) of coming allocations, so that none of them detaches another. */
	reserve(bytes: number): void;
	/** Takes back all allocated arrays: their memory will be handed out again. */
	reset(): void;
	/**
	 * Takes back all allocated arrays and lends so many bytes of their memory, contents undefined, until any are handed out
	 * again.
	 * @throws {RangeError} as `allocate` does.
	 */
	borrow(bytes: number): Uint8Array;
}

export interface KernelOptions {
	/** false: plain TypeScript even where WebAssembly SIMD is available. */
	readonly simd?: boolean;
}
