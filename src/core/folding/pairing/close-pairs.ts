import { type Directions, fitOf } from './row-directions.js';

/** Two weights that are nearly multiples of each other row by row. */
export interface ClosePair {
	/** Positions in the lists. */
	readonly a: number;
	readonly b: number;
	readonly fit: number;
}

/** Rows asked: one is enough unless it is among the few that do not fit. */
const ROWS = 5;
/**
 * Projections of each row. Rows of some dozen elements that have nothing to do with each other agree in two of three,
 * where |cos| 0.99 is asked, and so in all of them hardly ever.
 */
const PROJECTIONS = 24;

/**
 * The pairs of two lists of weights that fit at least as well as asked, found without going through all pairs: rows that
 * point nearly the same way have nearly the same projections on whatever vector, and these can be sorted. Half of the rows
 * fit where the median does; a pair of which none of the rows asked does is missed.
 * @param least |cos| that counts as the same direction, close to 1
 */
export function closePairs(
	a: readonly (Directions | undefined)[],
	b: readonly (Directions | undefined)[],
	least: number,
): ClosePair[] {
	// Two unit vectors at this cosine are so far apart; so are, at most, their projections on a third.
	const reach = Math.sqrt(2 - 2 * least);
	const pairs = new Map<string, readonly [number, number]>();
	const rows = a.find((weight) => weight)?.usable.length ?? 0;
	for (let row = 0; row < rows && row < ROWS; row++) {
		const others = projections(b, row).toSorted((x, y) => x.values[0] - y.values[0]);
		for (const own of projections(a, row)) {
			const [nearest] = own.values;
			for (let at = firstFrom(others, nearest - reach); others[at]?.values[0] <= nearest + reach; at++) {
				if (areWithin(reach, own.values, others[at].values)) {
					pairs.set(`${own.index} ${others[at].index}`, [own.index, others[at].index]);
				}
			}
		}
	}
	return Array.from(pairs.values(), ([i, j]): ClosePair => ({ a: i, b: j, fit: fitAt(a[i], b[j]) })).filter(
		({ fit }) => fit >= least,
	);
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
	readonly index: number;
	/** |cos| with each of the vectors: the same for a row and its negative. */
	readonly values: readonly number[];
}

function projections(weights: readonly (Directions | undefined)[], row: number): Projected[] {
	let vectors: readonly Float64Array[] = [];
	return weights.flatMap((weight, index) => {
		if (!weight?.usable[row]) {
			return [];
		}
		const { values, starts } = weight;
		const own = values.subarray(starts[row], starts[row + 1]);
		if (vectors[0]?.length !== own.length) {
			vectors = Array.from({ length: PROJECTIONS }, (_, number) => vectorOf(number, own.length));
		}
		return [{ index, values: vectors.map((vector) => Math.abs(product(vector, own))) }];
	});
}

/** Of length 1, with signs and sizes that no weight follows. */
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

/** Position of the first whose first projection is at least this large. */
function firstFrom(sorted: readonly Projected[], least: number): number {
	let [low, high] = [0, sorted.length];
	while (low < high) {
		const middle = (low + high) >> 1;
		if (sorted[middle].values[0] < least) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}
