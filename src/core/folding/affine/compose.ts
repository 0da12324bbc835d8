import {
	type AffineMap,
	type AffineRow,
	NO_SUM,
	plus,
	type Segment,
	type Sum,
	sumOf,
	type Tap,
	tapKey,
	withSlack,
} from './affine-map.js';

/** Weight of a linear operator in a common form. */
export interface Kernel {
	readonly rows: number;
	/** Input channels of each row. */
	readonly columns: number;
	readonly group: number;
	/** Steps of the base per result and offsets of each kernel position, a number per spatial axis. */
	readonly strides: readonly number[];
	readonly offsets: readonly (readonly number[])[];
	/** True if the operator adds a border of zeros. */
	readonly isPadded: boolean;
	/** Element of row, column and kernel position. */
	readonly at: (row: number, column: number, position: number) => number;
	readonly bias: Float64Array | null;
	/** Errors that rounding to a grid leaves in the weights and in the bias of each row. */
	readonly slacks?: { readonly weight: Float64Array; readonly bias: Float64Array };
}

/** The input channels of a group that read the same tap: parallel arrays of column, channel of the base, and factor. */
interface Readers {
	readonly tap: Tap;
	readonly start: number;
	readonly length: number;
	readonly columns: readonly number[];
	readonly channels: readonly number[];
	readonly factors: readonly number[];
}

/**
 * Returns the map of a linear operator behind another map.
 * @param input map of the operator's input, of rows that read single channels
 */
export function applyKernel(kernel: Kernel, input: AffineMap): AffineMap {
	const taps = new Map<string, Tap>();
	const groups = Array.from({ length: kernel.group }, (_, group) => readersOf(kernel, input, group));
	const perGroup = kernel.rows / kernel.group;
	const rows = Array.from({ length: kernel.rows }, (_, row) => {
		const group = Math.floor(row / perGroup);
		return rowOf(kernel, { input, readers: groups[group], first: group * kernel.columns, row }, taps);
	});
	return { rows, taps, space: kernel.strides.length };
}

function readersOf({ columns }: Kernel, { rows, taps }: AffineMap, group: number): Readers[] {
	const found = new Map<string, { columns: number[]; channels: number[]; factors: number[] }>();
	for (let column = 0; column < columns; column++) {
		for (const [key, { start, values }] of rows[group * columns + column].parts) {
			const readers = found.get(key) ?? { columns: [], channels: [], factors: [] };
			found.set(key, readers);
			values.forEach((factor, index) => {
				readers.columns.push(column);
				readers.channels.push(start + index);
				readers.factors.push(factor);
			});
		}
	}
	return Array.from(found, ([key, readers]): Readers => {
		const start = readers.channels.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
		const end = readers.channels.reduce((a, b) => Math.max(a, b), 0) + 1;
		return { ...readers, tap: taps.get(key) ?? EMPTY_TAP, start, length: end - start };
	});
}

const EMPTY_TAP: Tap = { base: '', axis: 0, strides: [], offsets: [] };

interface RowPlace {
	readonly input: AffineMap;
	readonly readers: readonly Readers[];
	/** Input channel of the group's first column. */
	readonly first: number;
	readonly row: number;
}

function rowOf(kernel: Kernel, { input, readers, first, row }: RowPlace, taps: Map<string, Tap>): AffineRow {
	const parts = new Map<string, Segment>();
	const border = new Map<string, Sum>();
	const slack = kernel.slacks?.weight[row] ?? 0;
	let bias = kernel.bias ? { ...sumOf(kernel.bias[row]), ...withSlack(kernel.slacks?.bias[row] ?? 0) } : NO_SUM;
	for (const [position, offsets] of kernel.offsets.entries()) {
		for (const reader of readers) {
			const moved = { ...reader.tap, strides: kernel.strides, offsets };
			const key = tapKey(moved);
			taps.set(key, moved);
			parts.set(key, segmentOf(kernel, reader, { row, position, slack }));
		}
		const shift = shiftOf(kernel, input, { first, row, position });
		if (shift.size > 0) {
			bias = { ...plus(bias, shift), terms: bias.terms + shift.terms };
			if (kernel.isPadded) {
				border.set(offsets.join(), shift);
			}
		}
	}
	return { bias, parts, border };
}

/** Returns the coefficients of a row that read a tap at a position of the kernel. */
function segmentOf(
	kernel: Kernel,
	{ start, length, columns, channels, factors }: Readers,
	{ row, position, slack }: { readonly row: number; readonly position: number; readonly slack: number },
): Segment {
	const values = new Float64Array(length);
	const sizes = columns.length > length ? new Float64Array(length) : undefined;
	const slacks = slack > 0 ? new Float64Array(length) : undefined;
	for (let index = 0; index < columns.length; index++) {
		const at = channels[index] - start;
		const value = kernel.at(row, columns[index], position) * factors[index];
		values[at] += value;
		if (sizes) {
			sizes[at] += Math.abs(value);
		}
		if (slacks) {
			slacks[at] += slack * Math.abs(factors[index]);
		}
	}
	return { start, values, ...(sizes && { sizes }), ...(slacks && { slacks }) };
}

/** Returns the sum of the input's shifts at a position of the kernel. */
function shiftOf(
	kernel: Kernel,
	{ rows }: AffineMap,
	{ first, row, position }: { readonly first: number; readonly row: number; readonly position: number },
): Sum {
	const rowSlack = kernel.slacks?.weight[row] ?? 0;
	let [value, size, terms, slack] = [0, 0, 0, 0];
	for (let column = 0; column < kernel.columns; column++) {
		const { bias } = rows[first + column];
		if (bias.size > 0) {
			const weight = kernel.at(row, column, position);
			value += weight * bias.value;
			size += Math.abs(weight) * bias.size;
			terms += bias.terms;
			slack += rowSlack * Math.abs(bias.value) + (Math.abs(weight) + rowSlack) * (bias.slack ?? 0);
		}
	}
	return { value, size, terms, ...withSlack(slack) };
}
