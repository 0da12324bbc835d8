import {
	type AffineMap,
	type AffineRow,
	NO_SUM,
	type Segment,
	type Sum,
	sumOf,
	type Tap,
	tapKey,
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
	let bias = kernel.bias ? sumOf(kernel.bias[row]) : NO_SUM;
	for (const [position, offsets] of kernel.offsets.entries()) {
		for (const { tap, start, length, columns, channels, factors } of readers) {
			const moved = { ...tap, strides: kernel.strides, offsets };
			const key = tapKey(moved);
			taps.set(key, moved);
			const values = new Float64Array(length);
			const hasSums = columns.length > length;
			const sizes = hasSums ? new Float64Array(length) : undefined;
			for (let index = 0; index < columns.length; index++) {
				const value = kernel.at(row, columns[index], position) * factors[index];
				values[channels[index] - start] += value;
				if (sizes) {
					sizes[channels[index] - start] += Math.abs(value);
				}
			}
			parts.set(key, { start, values, ...(sizes && { sizes }) });
		}
		const shift = shiftOf(kernel, input, { first, row, position });
		if (shift.size > 0) {
			bias = { value: bias.value + shift.value, size: bias.size + shift.size, terms: bias.terms + shift.terms };
			if (kernel.isPadded) {
				border.set(offsets.join(), shift);
			}
		}
	}
	return { bias, parts, border };
}

/** Returns the sum of the input's shifts at a position of the kernel. */
function shiftOf(
	kernel: Kernel,
	{ rows }: AffineMap,
	{ first, row, position }: { readonly first: number; readonly row: number; readonly position: number },
): Sum {
	let [value, size, terms] = [0, 0, 0];
	for (let column = 0; column < kernel.columns; column++) {
		const { bias } = rows[first + column];
		if (bias.size > 0) {
			const weight = kernel.at(row, column, position);
			value += weight * bias.value;
			size += Math.abs(weight) * bias.size;
			terms += bias.terms;
		}
	}
	return { value, size, terms };
}
