import { FLOAT_FORMATS, type FloatType, roundTo, ulp } from '../../numbers/float-formats.js';
import { type ChannelLayout, channelCount } from './layout.js';

/** Found weights against `scale * original`. */
export interface RowErrors {
	/** Per row: least-squares ratio <deployed, original> / <original, original>; NaN for a zero row. */
	readonly ratio: Float64Array;
	/** Per row: |deployed - ratio * original| / |deployed|; 0 if both are zero, NaN if only the original is. */
	readonly residual: Float64Array;
	/** Per row: largest error over the error allowed for its element; Infinity for a NaN. Above 1 is a mismatch. */
	readonly boundRatio: Float64Array;
	readonly maxAbs: number;
	/** Largest error relative to its expected element, if not 0. */
	readonly maxRel: number;
	/** Largest error in ulps of `dtype` at the expected element. */
	readonly maxUlp: number;
	/** Largest allowed error over the elements. */
	readonly bound: number;
	/** Largest expected magnitude. */
	readonly largest: number;
}

export interface MeasureOptions {
	readonly deployed: Float32Array | Float64Array;
	readonly original: Float32Array | Float64Array;
	/** Layout of both tensors. */
	readonly layout: ChannelLayout;
	/** s of each row. */
	readonly scale: Float64Array;
	/** Type that the expected weights are rounded to, once. */
	readonly dtype: FloatType;
	/** Allowed: relative * |expected| + absolute[row]. */
	readonly relative: number;
	readonly absolute: Float64Array;
}

/** Sums over each row of w^2, d w and d^2, where d = found - scale * w. */
interface RowSums {
	readonly ww: Float64Array;
	readonly dw: Float64Array;
	readonly dd: Float64Array;
}

interface Pass extends MeasureOptions, RowSums {
	readonly boundRatio: Float64Array;
	/** A unit in the last place is more than this share of its number. */
	readonly leastUlp: number;
	maxAbs: number;
	maxRel: number;
	maxUlp: number;
	largest: number;
}

/**
 * Measures all rows in a single pass over both tensors, at memory speed for float32. For a correct fold of a 100 MB
 * model this is the whole cost. Sums use the difference to the expected row instead of the deployed row, so that
 * cancellation does not hide the residual of an almost correct row.
 */
export function measureRows(options: MeasureOptions): RowErrors {
	const { layout, scale, relative, absolute } = options;
	const rows = channelCount(layout);
	const sums = { ww: new Float64Array(rows), dw: new Float64Array(rows), dd: new Float64Array(rows) };
	const leastUlp = FLOAT_FORMATS[options.dtype].unitRoundoff;
	const errors = { boundRatio: new Float64Array(rows), leastUlp, maxAbs: 0, maxRel: 0, maxUlp: 0, largest: 0 };
	const pass: Pass = { ...options, ...sums, ...errors };
	let start = 0;
	for (let g = 0; g < layout.groups; g++) {
		for (let i = 0; i < layout.outer; i++) {
			for (let j = 0; j < layout.perGroup; j++, start += layout.inner) {
				measureRun(pass, g * layout.perGroup + j, start);
			}
		}
	}
	return {
		ratio: sums.ww.map((ww, row) => (ww > 0 ? scale[row] + sums.dw[row] / ww : Number.NaN)),
		residual: sums.ww.map((_, row) => residualOf(sums, scale[row], row)),
		boundRatio: pass.boundRatio,
		maxAbs: pass.maxAbs,
		maxRel: pass.maxRel,
		maxUlp: pass.maxUlp,
		bound: relative * pass.largest + absolute.reduce((most, value) => Math.max(most, value), 0),
		largest: pass.largest,
	};
}

/** The deployed row is scale * w + d, so its square is dd + 2 s dw + s^2 ww, and dd - dw^2 / ww is orthogonal to w. */
function residualOf({ ww, dw, dd }: RowSums, scale: number, row: number): number {
	if (ww[row] === 0) {
		return dd[row] === 0 ? 0 : Number.NaN;
	}
	const square = dd[row] + 2 * scale * dw[row] + scale * scale * ww[row];
	const rest = dd[row] - (dw[row] * dw[row]) / ww[row];
	return square > 0 ? Math.sqrt(Math.max(0, rest) / square) : 0;
}

/**
 * Adds a run of a row to the sums and maxima. Divides only for an error that may raise a maximum, because a product
 * shows that a smaller error cannot. A NaN takes the slow branch.
 */
function measureRun(pass: Pass, row: number, start: number): void {
	const { deployed, original, dtype } = pass;
	const end = start + pass.layout.inner;
	const s = pass.scale[row];
	let { maxAbs, largest } = pass;
	let least = leastRatio(pass, row);
	let ww = 0;
	let dw = 0;
	let dd = 0;
	for (let index = start; index < end; index++) {
		const w = original[index];
		const f = deployed[index];
		const exact = w * s;
		const d = f - exact;
		ww += w * w;
		dw += d * w;
		dd += d * d;
		const expected = dtype === 'float32' ? Math.fround(exact) : roundTo(exact, dtype);
		const error = Math.abs(f - expected);
		const magnitude = Math.abs(expected);
		if (magnitude > largest) {
			largest = magnitude;
		}
		if (!(error <= maxAbs && error <= least * magnitude)) {
			if (recordError(pass, row, error, expected)) {
				least = leastRatio(pass, row);
			}
			maxAbs = pass.maxAbs;
		}
	}
	pass.largest = largest;
	pass.ww[row] += ww;
	pass.dw[row] += dw;
	pass.dd[row] += dd;
}

/**
 * Returns the share of its element up to which an error raises no maximum except, perhaps, the largest absolute error.
 * The tiny margin keeps equal errors, as constant weights give, from all counting as new maxima.
 */
function leastRatio({ maxRel, maxUlp, leastUlp, boundRatio, relative }: Pass, row: number): number {
	return Math.min(maxRel, maxUlp * leastUlp, boundRatio[row] * relative) * (1 + HAIR);
}

const HAIR = 2 ** -40;

/** @returns whether a maximum other than the absolute one rose. Divides only then: errors may all be about as large. */
function recordError(pass: Pass, row: number, error: number, expected: number): boolean {
	const { dtype, relative, absolute, boundRatio } = pass;
	const measured = Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
	const magnitude = Math.abs(expected);
	pass.maxAbs = Math.max(pass.maxAbs, measured);
	let isRecord = false;
	if (magnitude > 0 && measured > pass.maxRel * magnitude) {
		pass.maxRel = Math.max(pass.maxRel, measured / magnitude);
		isRecord = true;
	}
	const unit = ulp(Number.isFinite(expected) ? expected : Number.MAX_VALUE, dtype);
	if (measured > pass.maxUlp * unit) {
		pass.maxUlp = Math.max(pass.maxUlp, measured / unit);
		isRecord = true;
	}
	const allowed = relative * magnitude + absolute[row];
	if (!(measured <= boundRatio[row] * allowed)) {
		const excess = measured / allowed;
		boundRatio[row] = Math.max(boundRatio[row], Number.isNaN(excess) ? Number.POSITIVE_INFINITY : excess);
		isRecord = true;
	}
	return isRecord;
}
