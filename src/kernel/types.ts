/**
 * Contract of the numeric kernels. All implementations agree within the bounds stated here; `kind` names the
 * implementation. Arithmetic is float64 for every element type, because products of two float32 are exact in float64.
 */

import type { FloatType } from '../core/numbers/float-formats.js';
import type { Moments } from '../core/numbers/moments.js';

/** Elements as stored: float16 and bfloat16 are Uint16Array bit patterns. */
export type FloatData = Float32Array | Float64Array | Uint16Array;

/**
 * Shape (N, C, D1, …, Dn), row-major: value (n, c, i) is at (n * channels + c) * planeSize + i. Rank 2: planeSize = 1.
 * Each size may be 0.
 */
export interface Layout {
	/** N. */
	readonly batch: number;
	/** C. */
	readonly channels: number;
	/** D1 * … * Dn. */
	readonly planeSize: number;
}

/** Computes y = scale * x + shift. */
export interface ApplyRequest {
	/** Shape `layout`. */
	readonly x: FloatData;
	readonly dtype: FloatType;
	readonly layout: Layout;
	/** Indexed by channel, length C; with `perActivation` length C * planeSize, row-major. So are shift and center. */
	readonly scale: Float64Array;
	readonly shift: Float64Array;
	/**
	 * Subtracted from x before scaling: y = scale * (x - center) + shift. This is the unfolded form, with center = mean,
	 * scale = gamma / sqrt(variance + epsilon), shift = beta. It stays accurate where shift - center * scale cancels.
	 */
	readonly center?: Float64Array;
	readonly perActivation?: boolean;
	/** Receives y, rounded once. Has x's type and length (may be x itself), or is a Float32Array for a half type. */
	readonly out: FloatData;
}

/** Judges y, computed by a runtime, against scale * x + shift. */
export interface VerifyRequest {
	/** Shape `layout`; so is y. */
	readonly x: FloatData;
	readonly y: FloatData;
	readonly dtype: FloatType;
	readonly layout: Layout;
	/**
	 * Indexed by channel, length C; with `perActivation` length C * planeSize, row-major. So are the parameters below.
	 */
	readonly scale: Float64Array;
	readonly shift: Float64Array;
	/** Allows |y - (scale * x + shift)| <= boundSlope * |x| + boundOffset. Infinity allows any finite y. */
	readonly boundSlope: Float64Array;
	readonly boundOffset: Float64Array;
	/**
	 * Scale and shift that the runtime probably used, in float32: y = round(round(x * scale) + shift). If y equals this
	 * prediction bit for bit, its error is bounded without computing it. The closer these values are to the runtime's, the
	 * tighter `maxAbs` is. Default: `scale` and `shift` rounded to float32.
	 */
	readonly likely?: { readonly scale: Float64Array; readonly shift: Float64Array };
	readonly perActivation?: boolean;
	/** True if x was rounded to its type after the layer had used it, so that an infinite x stands for any larger number. */
	readonly isRoundedX?: boolean;
}

/**
 * Per channel (length C, also with `perActivation`), over the channel's batch * planeSize values.
 *
 * An element's error is |y - ref|, with ref = scale * x + shift in float64. If ref or y is not finite, the error is 0 if y
 * is ref rounded (the same infinity, also if ref overflows the type or comes within the bound of doing so; NaN for NaN).
 * Otherwise the error is Infinity, and so are the maxima below.
 *
 * In a channel with an element above its bound, all numbers are exact errors. If every element is within its bound, the
 * SIMD kernel proves it in float32 without computing the errors, and `maxAbs` and the numbers derived from it are upper
 * limits. With S and T the likely scale and shift in float32, X the largest |x| and u = 2^-24, a limit is too large by at
 * most 2 ((|S - scale| + 2 u |S|) X + |T - shift| + u |T|) plus 2^-20 of itself. That is a few units in the last place of
 * S X or T, whichever is larger, even if they cancel. The scalar kernel always returns the exact largest errors. Maxima
 * may be rounded to 22 bits.
 */
export interface VerifyResult {
	/** Largest error, or its upper limit. */
	readonly maxAbs: Float64Array;
	/**
	 * Largest error / (boundSlope * |x| + boundOffset) of an element if above 1, which is a mismatch. Otherwise maxAbs /
	 * bound, with 0 / 0 = 0.
	 */
	readonly boundRatio: Float64Array;
	/** Largest error allowed to any element of the channel: the maximum of boundSlope * |x| + boundOffset over finite x. */
	readonly bound: Float64Array;
	/**
	 * Sum of the squared finite errors if the channel (with `perActivation`: the activation) is above its bound. Otherwise
	 * the upper limit of that sum, count * maxAbs^2.
	 */
	readonly sumSquares: Float64Array;
	/**
	 * True if every y of the tensor equals the prediction of the likely scale and shift in float32, bit for bit. The scalar
	 * kernel does not test it and returns false.
	 */
	readonly asPredicted: boolean;
	/** Largest error of the whole tensor, in units in the last place of the type at ref rounded to the type. */
	readonly maxUlp: number;
	/** Largest error / |ref| of the whole tensor. A smaller |ref| counts as the type's smallest positive number. */
	readonly maxRel: number;
	/** Index n * planeSize + i of the first element above its bound, or -1. */
	readonly firstBad: Float64Array;
	/** Number of y that are NaN or infinite. */
	readonly nonFiniteY: Float64Array;
	/** Values per channel: m' = batch * planeSize. */
	readonly count: number;
	/** Moments of the finite x, per channel. */
	readonly moments: Moments;
}

/**
 * Axes that a mean and a variance are taken over, and so the number of statistics:
 * `channel`: over N and the spatial axes, C statistics (BN for convolutions, arXiv 1502.03167 section 3.2);
 * `activation`: over N, C * planeSize statistics (ONNX spatial=0); `location`: over N and C, planeSize statistics (no operator).
 */
export type StatisticsAxes = 'channel' | 'activation' | 'location';

export interface Kernel {
	readonly kind: 'simd' | 'scalar';
	/** @throws {RangeError} if lengths and layout disagree, {TypeError} if array and type disagree; so do apply and moments */
	verify(request: VerifyRequest): VerifyResult;
	apply(request: ApplyRequest): void;
	/** The relative error of m2 is below 2^-28 for every mean (derivation: assembly/records.ts). `axes` default: channel. */
	moments(x: FloatData, dtype: FloatType, layout: Layout, axes?: StatisticsAxes): Moments;
	/**
	 * Allocates an array in the kernel's memory for a runtime to write a tensor into: 16-byte aligned, contents
	 * undefined. Such x, y and out are used in place; other tensors are streamed through a small workspace. Memory only
	 * grows, and growing detaches all arrays allocated before, so `reserve` the total first. `reset` frees all arrays at
	 * once.
	 * @throws {RangeError} if the memory cannot grow that far (maximum 4 GiB)
	 */
	allocate(dtype: FloatType, length: number): FloatData;
	/** Grows the memory by `bytes` (add 16 per array). The next allocations then detach no array. */
	reserve(bytes: number): void;
	/** Frees all allocated arrays. Later allocations reuse their memory. */
	reset(): void;
	/**
	 * Frees all arrays and returns `bytes` bytes, contents undefined. Valid until the next allocation.
	 * @throws {RangeError} like `allocate`
	 */
	borrow(bytes: number): Uint8Array;
}

export interface KernelOptions {
	/** false: uses the scalar kernel even if WebAssembly SIMD is available. */
	readonly simd?: boolean;
}
