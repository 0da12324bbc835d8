import { type ChannelLayout, channelCount, rowLength } from '../operators/layout.js';

/** The beginnings of a weight tensor's rows, each scaled to length 1. */
export interface Directions {
	/** Row after row. */
	readonly values: Float64Array;
	/** Index in `values` at which each row begins, and the end of the last row. Length: rows + 1. */
	readonly starts: Int32Array;
	/** Per row: 1 if the row has a direction, that is, more than an element, all finite, not all 0. */
	readonly usable: Uint8Array;
}

/** Minimum elements of a row. A single element has no direction. */
const MIN_ELEMENTS = 2;
/** Minimum row length. Shorter rows often have similar directions by chance. */
const ENOUGH_ELEMENTS = 8;
/** Elements that a sample of a few long rows should have. */
const SAMPLED_ROWS = 1024;

/** Returns the number of elements from the start of the tensor that hold at least a few elements of some rows. */
export function sampleLength(layout: ChannelLayout): number {
	if (layout.inner >= ENOUGH_ELEMENTS) {
		return SAMPLED_ROWS;
	}
	// Shorter runs need several steps along the row for enough elements.
	const steps = Math.ceil(ENOUGH_ELEMENTS / layout.inner);
	return Math.max(SAMPLED_ROWS, Math.min(steps, layout.outer) * layout.perGroup * layout.inner);
}

/** False for rows of an element, which always have the same direction. */
export function canFit(layout: ChannelLayout): boolean {
	return rowLength(layout) >= MIN_ELEMENTS;
}

/** True if an inexact fit is informative. Rows of a few elements always fit somewhat. */
export function tellsApart(layout: ChannelLayout): boolean {
	return rowLength(layout) >= ENOUGH_ELEMENTS;
}

/** @param data the first elements of a tensor of this layout. */
export function directionsOf(data: ArrayLike<number>, layout: ChannelLayout): Directions {
	const rows = channelCount(layout);
	const starts = new Int32Array(rows + 1);
	for (let index = 0; index < data.length; index++) {
		starts[rowOfElement(layout, index) + 1]++;
	}
	for (let row = 0; row < rows; row++) {
		starts[row + 1] += starts[row];
	}
	const values = new Float64Array(data.length);
	const next = starts.slice();
	for (let index = 0; index < data.length; index++) {
		values[next[rowOfElement(layout, index)]++] = data[index];
	}
	const usable = new Uint8Array(rows);
	for (let row = 0; row < rows; row++) {
		usable[row] = Number(normalize(values.subarray(starts[row], starts[row + 1])));
	}
	return { values, starts, usable };
}

/** Scales a row to length 1; false where it has no direction. */
function normalize(row: Float64Array): boolean {
	const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
	if (row.length < MIN_ELEMENTS || !(length > 0 && length < Number.POSITIVE_INFINITY)) {
		return false;
	}
	for (let index = 0; index < row.length; index++) {
		row[index] /= length;
	}
	return true;
}

/**
 * Returns how far two weights of the same layout are multiples of each other row by row, from 0 to 1: the median |cos| over
 * the rows. Undefined if no row has a direction in both.
 */
export function fitOf(a: Directions, b: Directions): number | undefined {
	const { starts, usable } = a;
	const cosines = new Float64Array(usable.length);
	let count = 0;
	for (let row = 0; row < usable.length; row++) {
		if (usable[row] && b.usable[row]) {
			cosines[count++] = Math.abs(dot(a.values, b.values, starts[row], starts[row + 1]));
		}
	}
	const sorted = cosines.subarray(0, count).sort();
	return count > 0 ? sorted[count >> 1] : undefined;
}

/**
 * Returns the dot product of the elements from `start` up to `end`. Four independent sums keep the processor's pipeline
 * full.
 */
function dot(a: Float64Array, b: Float64Array, start: number, end: number): number {
	let [s0, s1, s2, s3] = [0, 0, 0, 0];
	let index = start;
	for (; index + 3 < end; index += 4) {
		s0 += a[index] * b[index];
		s1 += a[index + 1] * b[index + 1];
		s2 += a[index + 2] * b[index + 2];
		s3 += a[index + 3] * b[index + 3];
	}
	for (; index < end; index++) {
		s0 += a[index] * b[index];
	}
	return s0 + s1 + (s2 + s3);
}

function rowOfElement({ outer, perGroup, inner }: ChannelLayout, index: number): number {
	const run = Math.floor(index / inner);
	return Math.floor(run / (perGroup * outer)) * perGroup + (run % perGroup);
}
