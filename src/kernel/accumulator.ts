import { FLOAT_FORMATS, type FloatFormat, roundTo, ulpOfRounded } from '../core/numbers/float-formats.js';
import { addPart, emptyMoments, type Moments } from '../core/numbers/moments.js';
import { addSpan, clearMoments } from './moments.js';
import { type Matrix, matrixOf, readSpan, type Span, spansOf, type Values } from './spans.js';
import type { VerifyRequest, VerifyResult } from './types.js';

/** Parameters of a unit. */
interface Parameters {
	readonly scale: number;
	readonly shift: number;
	readonly slope: number;
	readonly offset: number;
}

/** Elements of a unit in a span of the tensor. */
interface Elements {
	readonly x: Values;
	readonly y: Values;
	/** Span of the elements in x and y. */
	readonly at: Span;
	/** Span of the elements in the tensor. */
	readonly span: Span;
}

/**
 * Collects the fields of VerifyResult for each unit of the request's matrix (channel or activation); `finish` joins the
 * activations of a channel. Adds units in float64 TypeScript, element by element. Used without SIMD, and for units that
 * float32 lanes cannot judge with certainty.
 */
export class VerifyAccumulator {
	readonly matrix: Matrix;
	/** Indexed by unit, like all arrays of this class. */
	readonly maxAbs: Float64Array;
	readonly boundRatio: Float64Array;
	readonly bound: Float64Array;
	readonly sumSquares: Float64Array;
	/** Set by the SIMD kernel; the scalar kernel ignores it. */
	asPredicted = false;
	maxUlp = 0;
	maxRel = 0;
	readonly firstBad: Float64Array;
	readonly nonFiniteY: Float64Array;
	readonly moments: Moments;
	readonly #format: FloatFormat;
	/** 1 if every error of the unit was computed; 0 if its numbers are upper limits. */
	readonly #exact: Uint8Array;
	/** Largest relative error that can raise neither `maxRel` nor `maxUlp`. */
	#relevant = 0;
	readonly #request: VerifyRequest;

	constructor(request: VerifyRequest) {
		this.#request = request;
		this.matrix = matrixOf(request.layout, request.perActivation ? 'activation' : 'channel');
		const { units } = this.matrix;
		this.maxAbs = new Float64Array(units);
		this.boundRatio = new Float64Array(units);
		this.bound = new Float64Array(units);
		this.sumSquares = new Float64Array(units);
		this.firstBad = new Float64Array(units).fill(-1);
		this.nonFiniteY = new Float64Array(units);
		this.moments = emptyMoments(units);
		this.#format = FLOAT_FORMATS[request.dtype];
		this.#exact = new Uint8Array(units);
	}

	/** Computes a unit from all its elements again. */
	addUnit(unit: number): void {
		const { x, y, dtype, scale, shift, boundSlope, boundOffset } = this.#request;
		for (const values of [this.maxAbs, this.boundRatio, this.bound, this.sumSquares]) {
			values[unit] = 0;
		}
		clearMoments(this.moments, unit);
		this.#exact[unit] = 1;
		const parameters = {
			scale: scale[unit],
			shift: shift[unit],
			slope: boundSlope[unit],
			offset: boundOffset[unit],
		};
		for (const span of spansOf(this.matrix, unit)) {
			const xs = readSpan(x, dtype, span);
			this.#addErrors({ x: xs.values, y: readSpan(y, dtype, span).values, at: xs.at, span }, unit, parameters);
			addSpan(this.moments, unit, xs.values, xs.at);
		}
		this.#completeUnit(unit);
	}

	#addErrors({ x, y, at, span }: Elements, unit: number, parameters: Parameters): void {
		const { scale, shift, slope, offset } = parameters;
		let maxAbs = this.maxAbs[unit];
		let maxRatio = this.boundRatio[unit];
		let largestX = -1;
		let sumSquares = 0;
		let relevant = this.#relevant;
		for (let k = 0, i = at.start; k < at.length; k++, i += at.stride) {
			const ref = scale * x[i] + shift;
			const error = Math.abs(y[i] - ref);
			const magnitude = Math.abs(x[i]);
			const bound = slope * magnitude + offset;
			if (magnitude > largestX && magnitude < Number.POSITIVE_INFINITY) {
				largestX = magnitude;
			}
			if (!(error < Number.POSITIVE_INFINITY)) {
				if (!this.#isRounded(y[i], ref, bound, unit) && !this.#mayOverflow(x[i], y[i], parameters)) {
					maxAbs = maxRatio = this.maxUlp = this.maxRel = Number.POSITIVE_INFINITY;
					this.#markBad(unit, span.start + k * span.stride);
				}
				continue;
			}
			sumSquares += error * error;
			if (error > maxAbs) {
				maxAbs = error;
			}
			if (error > bound) {
				this.#markBad(unit, span.start + k * span.stride);
			}
			if (error > maxRatio * bound) {
				maxRatio = error / bound;
			}
			if (error > relevant * Math.abs(ref)) {
				relevant = this.#addRelative(error, ref);
			}
		}
		this.maxAbs[unit] = maxAbs;
		this.boundRatio[unit] = maxRatio;
		if (largestX >= 0) {
			this.bound[unit] = Math.max(this.bound[unit], slope * largestX + offset);
		}
		this.sumSquares[unit] += sumSquares;
	}

	/** Updates `maxRel` and `maxUlp`. Returns the new value of `relevant`. */
	#addRelative(error: number, ref: number): number {
		const { fractionBits, tiny } = this.#format;
		this.maxRel = Math.max(this.maxRel, error / Math.max(Math.abs(ref), tiny));
		this.maxUlp = Math.max(this.maxUlp, error / ulpOfRounded(ref, this.#request.dtype));
		// An ulp is at least |ref| / 2^(fractionBits + 1).
		this.#relevant = Math.min(this.maxRel, this.maxUlp / 2 ** (fractionBits + 1));
		return this.#relevant;
	}

	/** True if y is ref rounded, for a y or ref that is not finite. Counts non-finite y; the moments count x. */
	#isRounded(y: number, ref: number, bound: number, unit: number): boolean {
		if (!Number.isFinite(y)) {
			this.nonFiniteY[unit]++;
		}
		const farthest = Number.isFinite(ref) ? ref + Math.sign(ref) * bound : ref;
		return Object.is(y, roundTo(farthest, this.#request.dtype));
	}

	/** True if y fits some number that rounds to x. An infinite x stands for all numbers beyond its type's range. */
	#mayOverflow(x: number, y: number, { scale, shift, slope, offset }: Parameters): boolean {
		if (!this.#request.isRoundedX || Number.isNaN(x) || Number.isFinite(x)) {
			return false;
		}
		const smallest = Math.sign(x) * this.#format.max;
		const reached = scale * smallest + shift;
		return (y - reached) * Math.sign(scale * x) >= -(slope * Math.abs(smallest) + offset);
	}

	#markBad(unit: number, position: number): void {
		const { channels, planeSize } = this.#request.layout;
		const index = Math.floor(position / (channels * planeSize)) * planeSize + (position % planeSize);
		this.firstBad[unit] = earlier(this.firstBad[unit], index);
	}

	/**
	 * Completes a unit. Without an element above its bound, ratio and sum of squares become upper limits: the largest
	 * error divided by the largest bound, and count times that error squared.
	 */
	#completeUnit(unit: number): void {
		if (this.firstBad[unit] < 0) {
			const error = this.maxAbs[unit];
			this.boundRatio[unit] = ratio(error, this.bound[unit]);
			this.sumSquares[unit] = this.matrix.rows * this.matrix.unitWidth * error * error;
		}
	}

	/** Returns the result, which uses the accumulator's arrays. Ends the accumulator's use. */
	finish(): VerifyResult {
		const { batch, planeSize } = this.#request.layout;
		const isPerActivation = planeSize > 1 && this.matrix.unitWidth === 1;
		if (isPerActivation) {
			this.#completeBadChannels();
		}
		const fold = isPerActivation ? this.#joinActivations() : this;
		const { maxAbs, boundRatio, bound, sumSquares, firstBad, nonFiniteY, moments } = fold;
		const { maxUlp, maxRel, asPredicted } = this;
		const count = batch * planeSize;
		// No object spread: it takes 6 µs, as long as the elements of thirty small planes.
		return {
			maxAbs,
			boundRatio,
			bound,
			sumSquares,
			maxUlp,
			maxRel,
			firstBad,
			asPredicted,
			nonFiniteY,
			count,
			moments,
		};
	}

	/** Computes all errors of channels with a bad activation, so that joins mix no limits with errors. */
	#completeBadChannels(): void {
		const { channels, planeSize } = this.#request.layout;
		for (let c = 0; c < channels; c++) {
			const units = Array.from({ length: planeSize }, (_, i) => c * planeSize + i);
			if (units.some((unit) => this.firstBad[unit] >= 0)) {
				for (const unit of units.filter((each) => this.#exact[each] === 0)) {
					this.addUnit(unit);
				}
			}
		}
	}

	/** Joins the units of each channel; result arrays are by channel. */
	#joinActivations() {
		const { channels, planeSize } = this.#request.layout;
		const join = (values: Float64Array, both: (a: number, b: number) => number) =>
			Float64Array.from({ length: channels }, (_, c) =>
				values.subarray(c * planeSize, (c + 1) * planeSize).reduce((a, b) => both(a, b)),
			);
		const moments = emptyMoments(channels);
		const { count, mean, m2, nonFinite } = this.moments;
		for (let unit = 0; unit < channels * planeSize; unit++) {
			addPart(moments, Math.floor(unit / planeSize), count[unit], mean[unit], m2[unit]);
			moments.nonFinite[Math.floor(unit / planeSize)] += nonFinite[unit];
		}
		const sum = (a: number, b: number) => a + b;
		const [maxAbs, boundRatio] = [join(this.maxAbs, Math.max), join(this.boundRatio, Math.max)];
		const [bound, firstBad] = [join(this.bound, Math.max), join(this.firstBad, earlier)];
		for (let c = 0; c < channels; c++) {
			if (firstBad[c] < 0) {
				boundRatio[c] = ratio(maxAbs[c], bound[c]);
			}
		}
		return {
			...{ maxAbs, boundRatio, bound, firstBad },
			sumSquares: join(this.sumSquares, sum),
			nonFiniteY: join(this.nonFiniteY, sum),
			moments,
		};
	}
}

/** error / bound, with 0 / 0 = 0. */
function ratio(error: number, bound: number): number {
	return error > 0 ? error / bound : 0;
}

/** Returns the smaller index; -1 stands for no index. */
function earlier(a: number, b: number): number {
	return a < 0 || (b >= 0 && b < a) ? b : a;
}
