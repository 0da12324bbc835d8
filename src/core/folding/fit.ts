import { type ChannelLayout, channelCount, rowLength } from './layout.js';

/**
 * How much the beginnings of two weight tensors look like multiples of each other row by row, between 0 and 1: the median
 * over the rows of |cos|. Undefined where too little of any row is there to have a direction.
 */
export function sampleFit(a: ArrayLike<number>, b: ArrayLike<number>, layout: ChannelLayout): number | undefined {
	const rows = channelCount(layout);
	const sums = [new Float64Array(rows), new Float64Array(rows), new Float64Array(rows)];
	const counts = new Uint32Array(rows);
	const length = Math.min(a.length, b.length);
	for (let index = 0; index < length; index++) {
		const row = rowOfElement(layout, index);
		sums[0][row] += a[index] * a[index];
		sums[1][row] += b[index] * b[index];
		sums[2][row] += a[index] * b[index];
		counts[row]++;
	}
	const cosines: number[] = [];
	for (let row = 0; row < rows; row++) {
		const cosine = Math.abs(sums[2][row]) / Math.sqrt(sums[0][row] * sums[1][row]);
		if (counts[row] >= LEAST_ELEMENTS && !Number.isNaN(cosine)) {
			cosines.push(cosine);
		}
	}
	cosines.sort((x, y) => x - y);
	return cosines.length > 0 ? cosines[cosines.length >> 1] : undefined;
}

/** A single element has no direction. */
const LEAST_ELEMENTS = 2;
/** With fewer elements, rows that have nothing to do with each other point nearly the same way too often. */
const ENOUGH_ELEMENTS = 8;
/** Elements that a sample of a few long rows should have. */
const SAMPLE = 1024;

/** Elements from the start of the tensor that hold at least a few elements of some rows. */
export function sampleLength(layout: ChannelLayout): number {
	if (layout.inner >= ENOUGH_ELEMENTS) {
		return SAMPLE;
	}
	// Runs shorter than that: as many steps along the row as make up for it.
	const steps = Math.ceil(ENOUGH_ELEMENTS / layout.inner);
	return Math.max(SAMPLE, Math.min(steps, layout.outer) * layout.perGroup * layout.inner);
}

function rowOfElement({ outer, perGroup, inner }: ChannelLayout, index: number): number {
	const run = Math.floor(index / inner);
	return Math.floor(run / (perGroup * outer)) * perGroup + (run % perGroup);
}

/** Rows of one element always point the same way. */
export function canFit(layout: ChannelLayout): boolean {
	return rowLength(layout) >= LEAST_ELEMENTS;
}

/** Whether rows that fit less than exactly say anything: of a few elements, any two do. */
export function tellsApart(layout: ChannelLayout): boolean {
	return rowLength(layout) >= ENOUGH_ELEMENTS;
}
