import { type Directions, fitOf } from './row-directions.js';

/** Two weights with rows that are nearly multiples of each other. */
export interface ClosePair {
	/** Positions in the two lists. */
	readonly originalRank: number;
	readonly deployedRank: number;
	readonly fit: number;
}

/** Number of rows searched per weight. A single row would do unless it is among the few that do not fit. */
const ROWS = 5;
/**
 * Number of projections per row. Unrelated rows of a few dozen elements agree in two of three projections at |cos|
 * 0.99, but hardly ever in all of them.
 */
const PROJECTIONS = 24;

/**
 * Maximum number of weights with almost the same projection. Beyond it, only weights near the same place count. If
 * hundreds of operators of a model had the same weight, the number of pairs would be quadratic.
 */
const CROWD = 64;

/**
 * Finds pairs of weights that fit at least as well as required, without trying all pairs. Rows of almost the same
 * direction have almost the same projections on any vector, and projections can be sorted. Half of the rows fit where
 * the median does; a pair is missed if none of its searched rows fits.
 * @param least |cos| that counts as the same direction, close to 1
 */
export function closePairs(
	originals: readonly (Directions | undefined)[],
	deployeds: readonly (Directions | undefined)[],
	least: number,
): ClosePair[] {
	// Largest distance of two unit vectors at this cosine, and so of their projections.
	const reach = Math.sqrt(2 - 2 * least);
	/** Pairs as a single number, originalRank * deployeds.length + deployedRank. */
	const pairs = new Set<number>();
	const vectors = new Map<number, readonly Float64Array[]>();
	const rows = originals.find((weight) => weight)?.usable.length ?? 0;
	for (let row = 0; row < rows && row < ROWS; row++) {
		const inOrder = projections(deployeds, row, vectors);
		const sorted = inOrder.toSorted((x, y) => x.values[0] - y.values[0]);
		for (const { rank, values } of projections(originals, row, vectors)) {
			const alike = range(sorted, (other) => other.values[0], values[0], reach);
			const place = (rank * deployeds.length) / originals.length;
			const near = alike.length > CROWD ? range(inOrder, (other) => other.rank, place, CROWD / 2) : alike;
			for (let at = near.first; at < near.end; at++) {
				const other = near.list[at];
				if (areWithin(reach, values, other.values)) {
					pairs.add(rank * deployeds.length + other.rank);
				}
			}
		}
	}
	return Array.from(pairs, (pair): ClosePair => {
		const [originalRank, deployedRank] = [Math.floor(pair / deployeds.length), pair % deployeds.length];
		const fit = fitAt(originals[originalRank], deployeds[deployedRank]);
		return { originalRank, deployedRank, fit };
	}).filter(({ fit }) => fit >= least);
}

const fitAt = (a: Directions | undefined, b: Directions | undefined): number => (a && b && fitOf(a, b)) || 0;

function areWithin(reach: number, a: readonly number[], b: readonly number[]): boolean {
	for (let index = 0; index < a.length; index++) {
		if (Math.abs(a[index] - b[index]) > reach) {
			return false;
		}
	}
	return true;
}

interface Projected {
	readonly rank: number;
	/** |cos| with each of the vectors: the same for a row and its negative. */
	readonly values: readonly number[];
}

/** @param known vectors by length; receives those that are missing */
function projections(
	weights: readonly (Directions | undefined)[],
	row: number,
	known: Map<number, readonly Float64Array[]>,
): Projected[] {
	return weights.flatMap((weight, rank) => {
		if (!weight?.usable[row]) {
			return [];
		}
		const { values, starts } = weight;
		const elements = values.subarray(starts[row], starts[row + 1]);
		const { length } = elements;
		const vectors = known.get(length) ?? Array.from({ length: PROJECTIONS }, (_, number) => vectorOf(number, length));
		known.set(length, vectors);
		return [{ rank, values: vectors.map((vector) => Math.abs(product(vector, elements))) }];
	});
}

/** Returns a vector of length 1 that no weight resembles. */
function vectorOf(number: number, length: number): Float64Array {
	const vector = new Float64Array(length).map((_, index) => Math.sin(1 + (number + 1) * 12.9898 * (index + 1) ** 1.5));
	const size = Math.sqrt(product(vector, vector));
	return vector.map((value) => value / size);
}

function product(a: Float64Array, b: Float64Array): number {
	let sum = 0;
	for (let index = 0; index < a.length; index++) {
		sum += a[index] * b[index];
	}
	return sum;
}

/** Part of a sorted list: indices from `first` to `end` - 1. */
interface Range {
	readonly list: readonly Projected[];
	readonly first: number;
	readonly end: number;
	readonly length: number;
}

/** Finds the elements whose key is at most `distance` from the center, in a list sorted by this key. */
function range(list: readonly Projected[], key: (of: Projected) => number, center: number, distance: number): Range {
	const first = indexOfFirst(list, (element) => key(element) >= center - distance);
	const end = indexOfFirst(list, (element) => key(element) > center + distance);
	return { list, first, end, length: end - first };
}

/** Returns the index of the first element that fulfills a condition, as all behind it do; the length if there is none. */
function indexOfFirst(list: readonly Projected[], condition: (element: Projected) => boolean): number {
	let [low, high] = [0, list.length];
	while (low < high) {
		const middle = (low + high) >> 1;
		if (condition(list[middle])) {
			high = middle;
		} else {
			low = middle + 1;
		}
	}
	return low;
}
