import { FLOAT_FORMATS } from '../../numbers/float-formats.js';
import { type ChannelLayout, channelCount, relayout, rowLength } from '../operators/layout.js';
import type { PairedValues } from './read-weights.js';

/** Order of channels: the checkpoint's channel at each position of the deployed tensor. */
export type ChannelOrder = Int32Array;

/** A weight row by row, each of `columns` input channels with `inner` elements. */
export interface PlainRows {
	readonly values: Float32Array | Float64Array;
	readonly rows: number;
	readonly columns: number;
	readonly inner: number;
}

/** Rows of a weight and of its deployed counterpart. */
export interface RowPair {
	readonly original: PlainRows;
	readonly deployed: PlainRows;
	readonly group: number;
	/** Part of a row, relative to its length, that rounding leaves. */
	readonly tolerance: number;
}

/** Roundings of an element of a row: of its scale, of the product, and of the checkpoint's own type. */
const ROUNDINGS = 8;

/** Returns the rows of two weights in one arrangement. @param columns input channels of a row */
export function rowPairOf(
	{ original, deployed, stored }: PairedValues,
	{ group, columns }: { readonly group: number; readonly columns: number },
): RowPair {
	const { layout } = original;
	const [rows, length] = [channelCount(layout), rowLength(layout)];
	const plain: ChannelLayout = { groups: 1, outer: 1, perGroup: rows, inner: length };
	const shape = { rows, columns, inner: length / columns };
	const unit = Math.max(FLOAT_FORMATS[stored].unitRoundoff, FLOAT_FORMATS[original.stored].unitRoundoff);
	return {
		original: { ...shape, values: relayout(original.weight, layout, plain) },
		deployed: { ...shape, values: relayout(deployed, layout, plain) },
		group,
		tolerance: ROUNDINGS * unit,
	};
}

/**
 * Returns the index of each element in a deployed weight, in row order, after its input channels were brought into the
 * checkpoint's order; undefined if they leave their group.
 * @param input order of the input channels; undefined for the checkpoint's own
 */
export function columnOrder(
	{ rows, columns, inner }: PlainRows,
	group: number,
	input: ChannelOrder | undefined,
): { readonly elements: Int32Array; readonly groups: Int32Array } | undefined {
	const perGroup = rows / group;
	const elements = new Int32Array(rows * columns * inner);
	const groups = new Int32Array(rows);
	for (let row = 0; row < rows; row++) {
		const own = Math.floor(row / perGroup);
		groups[row] = input ? Math.floor(input[own * columns] / columns) : own;
		for (let column = 0; column < columns; column++) {
			const source = input ? input[own * columns + column] : own * columns + column;
			if (Math.floor(source / columns) !== groups[row]) {
				return undefined;
			}
			for (let k = 0; k < inner; k++) {
				elements[(row * columns + (source % columns)) * inner + k] = (row * columns + column) * inner + k;
			}
		}
	}
	return { elements, groups };
}

/**
 * Finds the checkpoint's row behind each deployed row: the row that it is a multiple of. Rows of zeros take the rows
 * that are left.
 * @param input order of the input channels; undefined for the checkpoint's own
 * @returns undefined if a row is a multiple of no free row of its group
 */
export function findRowOrder(pair: RowPair, input: ChannelOrder | undefined): ChannelOrder | undefined {
	const { original, deployed, group } = pair;
	const { rows } = original;
	const length = original.values.length / rows;
	const columns = columnOrder(deployed, group, input);
	if (!columns) {
		return undefined;
	}
	const perGroup = rows / group;
	if (length === 1) {
		// A single element has no direction; the group alone gives the row.
		return perGroup === 1 ? columns.groups : input ? undefined : identityOrder(rows);
	}
	const found = unitRows(
		Float64Array.from(columns.elements, (from) => deployed.values[from]),
		rows,
	);
	const known = unitRows(Float64Array.from(original.values), rows);
	const order = new Int32Array(rows).fill(-1);
	const used = new Uint8Array(rows);
	const candidates = new FingerprintIndex(known, rows);
	for (let row = 0; row < rows; row++) {
		const own = found.subarray(row * length, (row + 1) * length);
		const isMatch = (candidate: number) =>
			used[candidate] === 0 &&
			Math.floor(candidate / perGroup) === columns.groups[row] &&
			isSameLine(own, known.subarray(candidate * length, (candidate + 1) * length), pair.tolerance);
		const match = isMatch(row) ? row : candidates.near(own, pair.tolerance).find(isMatch);
		if (match !== undefined) {
			order[row] = match;
			used[match] = 1;
		} else if (own.some((value) => value !== 0)) {
			return undefined;
		}
	}
	return fillOrder(order, used, { groups: columns.groups, perGroup });
}

export const identityOrder = (channels: number): ChannelOrder => Int32Array.from({ length: channels }, (_, at) => at);

export function isIdentity(order: ChannelOrder): boolean {
	return order.every((source, at) => source === at);
}

/** Gives rows of zeros the rows of their group that are left; undefined if every row is zero. */
function fillOrder(
	order: ChannelOrder,
	used: Uint8Array,
	{ groups, perGroup }: { readonly groups: Int32Array; readonly perGroup: number },
): ChannelOrder | undefined {
	if (order.every((source) => source < 0)) {
		return undefined;
	}
	for (const [row, source] of order.entries()) {
		if (source < 0) {
			const start = groups[row] * perGroup;
			const free = used[row] === 0 && Math.floor(row / perGroup) === groups[row] ? row : used.indexOf(0, start);
			order[row] = free;
			used[free] = 1;
		}
	}
	return order;
}

/** Scales each row to length 1; rows of zeros stay. */
function unitRows(values: Float64Array, rows: number): Float64Array {
	const length = values.length / rows;
	for (let row = 0; row < rows; row++) {
		const own = values.subarray(row * length, (row + 1) * length);
		const size = Math.sqrt(own.reduce((sum, value) => sum + value * value, 0));
		own.forEach((value, at) => {
			own[at] = size > 0 ? value / size : 0;
		});
	}
	return values;
}

/** True if two rows of length 1 lie on one line, in either direction. */
function isSameLine(a: Float64Array, b: Float64Array, tolerance: number): boolean {
	let [same, opposite, size] = [0, 0, 0];
	for (let at = 0; at < a.length; at++) {
		same += (a[at] - b[at]) ** 2;
		opposite += (a[at] + b[at]) ** 2;
		size += b[at] ** 2;
	}
	return size > 0 && Math.min(same, opposite) <= tolerance ** 2;
}

/** Rows by the magnitude of a weighted sum of their elements. */
class FingerprintIndex {
	readonly #sorted: readonly { readonly row: number; readonly print: number }[];

	constructor(values: Float64Array, rows: number) {
		const length = values.length / rows;
		this.#sorted = Array.from({ length: rows }, (_, row) => ({
			row,
			print: fingerprint(values.subarray(row * length, (row + 1) * length)),
		})).sort((a, b) => a.print - b.print);
	}

	/** Returns the rows whose fingerprint differs by no more than that of rows at a distance of `tolerance`. */
	near(values: Float64Array, tolerance: number): readonly number[] {
		const print = fingerprint(values);
		// The weights of the sum are at most 1, so that it changes by at most the root of their number.
		const reach = tolerance * Math.sqrt(values.length);
		const sorted = this.#sorted;
		let low = 0;
		for (let high = sorted.length; low < high; ) {
			const middle = (low + high) >> 1;
			if (sorted[middle].print < print - reach) {
				low = middle + 1;
			} else {
				high = middle;
			}
		}
		const rows: number[] = [];
		for (; low < sorted.length && sorted[low].print <= print + reach; low++) {
			rows.push(sorted[low].row);
		}
		return rows;
	}
}

/** Sum of the elements with irregular weights from -1 to 1. */
function fingerprint(values: Float64Array): number {
	let sum = 0;
	for (let at = 0; at < values.length; at++) {
		sum += values[at] * Math.sin(1 + at * at);
	}
	return Math.abs(sum);
}
