/** Returns the product of the sizes: the number of elements of a tensor of this shape. 1 for an empty list. */
export function product(sizes: readonly number[]): number {
	return sizes.reduce((total, size) => total * size, 1);
}

/**
 * Fills `target` with a value made from each element of `source`, and returns it. TypedArray.from with a function takes
 * ten times as long, and a list of all elements in memory.
 */
export function mapInto<T extends { [index: number]: number }, S>(
	target: T,
	source: ArrayLike<S>,
	operation: (value: S, index: number) => number,
): T {
	for (let index = 0; index < source.length; index++) {
		target[index] = operation(source[index], index);
	}
	return target;
}

/** Returns the sum of the values; 0 for an empty list. */
export function sum(values: ArrayLike<number>): number {
	let total = 0;
	for (let i = 0; i < values.length; i++) {
		total += values[i];
	}
	return total;
}

/** Returns the indices of the values that pass `test`, ascending. */
export function indicesWhere(values: Float64Array, test: (value: number, index: number) => boolean): number[] {
	const found: number[] = [];
	for (let index = 0; index < values.length; index++) {
		if (test(values[index], index)) {
			found.push(index);
		}
	}
	return found;
}

/** Returns the lower median: of an even number of values the smaller of the middle two. NaN for an empty list. */
export function median(values: readonly number[]): number {
	const sorted = [...values].sort((a, b) => a - b);
	return sorted.length > 0 ? sorted[(sorted.length - 1) >> 1] : Number.NaN;
}

/** Returns the upper median of the absolute values; 0 for an empty array. */
export function medianMagnitude(values: Float64Array): number {
	const sorted = values.map(Math.abs).sort();
	return sorted[sorted.length >> 1] ?? 0;
}

export interface Range {
	/** Smallest finite value; NaN if there is none. */
	readonly min: number;
	/** Largest finite value; NaN if there is none. */
	readonly max: number;
	/** Number of values that are NaN or infinite. */
	readonly nonFinite: number;
}

/** Returns the smallest and largest finite value, and the number of values that are not finite. */
export function rangeOf(values: ArrayLike<number>): Range {
	let min = Number.POSITIVE_INFINITY;
	let max = Number.NEGATIVE_INFINITY;
	let nonFinite = 0;
	for (let i = 0; i < values.length; i++) {
		const value = values[i] ?? Number.NaN;
		if (!Number.isFinite(value)) {
			nonFinite++;
			continue;
		}
		min = Math.min(value, min);
		max = Math.max(value, max);
	}
	return min > max ? { min: Number.NaN, max: Number.NaN, nonFinite } : { min, max, nonFinite };
}
