import { product } from '../../../numbers/arrays.js';
import { type ChannelLayout, channelCount, rowLength } from '../../operators/layout.js';
import type { FoldCase } from './fold-case.js';
import { runStart } from './ratios.js';

/** Maximum number of compared rows, enough that they cannot all agree by chance. */
const MAX_SAMPLED_ROWS = 16;
/** Minimum cosine of rows that are equal but for rounding, also to 8 bits. */
const MIN_COSINE = 0.98;
/** Names of kernel axes, from the last axis backwards. */
const AXES = ['width', 'height', 'depth'];

/** An order of the elements within a row: position p holds element `order[p]` of the original. */
interface Order {
	readonly words: string;
	readonly order: Int32Array;
}

/**
 * Finds the order in which the elements within the rows equal the original elements, in words that follow "with". The
 * kernel may be flipped or transposed, or the input channels may have another order. Tries a few rows and about a dozen
 * orders, independent of the weight's size. Undefined if no order fits.
 */
export function rearrangement(fold: FoldCase): string | undefined {
	const { layout } = fold.original;
	const length = rowLength(layout);
	const kernel = fold.dims.slice(2);
	const rows = sampledRows(fold);
	if (length < 2 || rows.length === 0) {
		return undefined;
	}
	const tried = [...kernelOrders(kernel, length), ...inputOrders(rows, length, kernel)];
	return tried.find(({ order }) => rows.every((row) => cosine(row, order) >= MIN_COSINE))?.words;
}

interface RowPair {
	readonly deployed: Float64Array;
	readonly original: Float64Array;
}

/** Rows spread over the weight, zero in neither model, normalized to length 1. */
function sampledRows({ original, deployed }: FoldCase): RowPair[] {
	const rows = channelCount(original.layout);
	const count = Math.min(rows, MAX_SAMPLED_ROWS);
	return Array.from({ length: count }, (_, index) => Math.floor((index * rows) / count))
		.map((row) => ({
			deployed: unitRow(deployed.weight, original.layout, row),
			original: unitRow(original.weight, original.layout, row),
		}))
		.filter((pair) => pair.deployed.some((value) => value !== 0) && pair.original.some((value) => value !== 0));
}

function unitRow(weight: Float32Array | Float64Array, layout: ChannelLayout, row: number): Float64Array {
	const values = new Float64Array(rowLength(layout));
	for (let i = 0; i < layout.outer; i++) {
		const start = runStart(layout, row, i);
		values.set(weight.subarray(start, start + layout.inner), i * layout.inner);
	}
	const length = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
	return length > 0 ? values.map((value) => value / length) : values;
}

/** Returns |cos| between a deployed row and the original row with its elements in that order. */
function cosine({ deployed, original }: RowPair, order: Int32Array): number {
	return Math.abs(deployed.reduce((sum, value, position) => sum + value * original[order[position]], 0));
}

/** The kernel flipped along any of its axes, or with the last two swapped. */
function kernelOrders(kernel: readonly number[], length: number): Order[] {
	const size = product(kernel);
	const orders: Order[] = [];
	const add = (words: string, of: (coordinates: readonly number[]) => readonly number[]) => {
		const inner = Int32Array.from({ length: size }, (_, k) => toIndex(of(toCoordinates(k, kernel)), kernel));
		const order = Int32Array.from({ length }, (_, p) => p - (p % size) + inner[p % size]);
		orders.push({ words, order });
	};
	const axes = Array.from(kernel.keys()).filter((axis) => kernel[axis] > 1);
	for (let chosen = 1; chosen < 2 ** axes.length; chosen++) {
		const flipped = axes.filter((_, bit) => chosen & (1 << bit));
		const names = flipped.map((axis) => AXES[kernel.length - 1 - axis] ?? `axis ${axis + 2}`);
		add(`the kernel flipped along its ${names.join(' and ')}`, (coordinates) =>
			coordinates.map((at, axis) => (flipped.includes(axis) ? kernel[axis] - 1 - at : at)),
		);
	}
	const [height, width] = kernel.slice(-2);
	if (kernel.length >= 2 && height === width && height > 1) {
		add("the kernel's height and width swapped", (coordinates) => [
			...coordinates.slice(0, -2),
			...coordinates.slice(-2).reverse(),
		]);
	}
	return orders;
}

function toCoordinates(index: number, dims: readonly number[]): number[] {
	const coordinates = new Array<number>(dims.length);
	let rest = index;
	for (let axis = dims.length - 1; axis >= 0; axis--) {
		coordinates[axis] = rest % dims[axis];
		rest = Math.floor(rest / dims[axis]);
	}
	return coordinates;
}

const toIndex = (coordinates: readonly number[], dims: readonly number[]): number =>
	coordinates.reduce((index, at, axis) => index * dims[axis] + at, 0);

/** The input channels in reverse, or in the order that a summary of each gives. */
function inputOrders(rows: readonly RowPair[], length: number, kernel: readonly number[]): Order[] {
	const size = product(kernel);
	const inputs = length / size;
	if (inputs < 2) {
		return [];
	}
	const ordered = (words: string, source: (input: number) => number): Order => ({
		words,
		order: Int32Array.from({ length }, (_, p) => source(Math.floor(p / size)) * size + (p % size)),
	});
	const reversed = inputs === 3 ? 'the input channels in reverse (BGR for RGB)' : 'the input channels in reverse';
	const deployedRanks = rankOfInputs(
		rows.map(({ deployed }) => deployed),
		inputs,
	);
	const originalRanks = rankOfInputs(
		rows.map(({ original }) => original),
		inputs,
	);
	const source = new Int32Array(inputs);
	deployedRanks.forEach((input, rank) => {
		source[input] = originalRanks[rank];
	});
	return [
		ordered(reversed, (input) => inputs - 1 - input),
		ordered(
			'the input channels in another order, as is right behind a layer whose output channels were put in that order',
			(input) => source[input],
		),
	];
}

/** Returns the input channels sorted by a weighted sum of their magnitudes, which a row's factor does not change. */
function rankOfInputs(rows: readonly Float64Array[], inputs: number): number[] {
	const sums = new Float64Array(inputs);
	rows.forEach((row, index) => {
		const size = row.length / inputs;
		row.forEach((value, position) => {
			sums[Math.floor(position / size)] += Math.abs(value) * (1 + (((index * size + (position % size)) * GOLDEN) % 1));
		});
	});
	return Array.from(sums.keys()).sort((a, b) => sums[a] - sums[b]);
}

/** Multiples of the golden ratio spread evenly over [0, 1): a weight of its own for every element. */
const GOLDEN = 0.618033988749895;
