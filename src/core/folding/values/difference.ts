import type { Elements } from './sketch.js';

/** A tensor with its values. */
export interface ValueTensor {
	readonly dims: readonly number[];
	readonly values: Elements;
}

/** Distance between the values of an original tensor and a deployed tensor. */
export interface ValueDifference {
	/** Root mean square of the differences. */
	readonly rms: number;
	/** Largest difference. */
	readonly maxAbs: number;
	/**
	 * Order in which elements correspond: `same` row-major, `transposed` between channels first and channels last,
	 * `sorted` by size because the order of channels or blocks is unknown.
	 */
	readonly order: 'same' | 'transposed' | 'sorted';
}

/**
 * Returns the distance between two tensors, perhaps of different layouts: in the first order of elements that `isClose`
 * accepts, else in row-major order.
 * @param isAnyOrder true: tries other orders than row-major
 * @returns undefined if no order makes the elements correspond
 */
export function valueDifference(
	original: ValueTensor,
	deployed: ValueTensor,
	isClose: (difference: ValueDifference) => boolean,
	isAnyOrder = true,
): ValueDifference | undefined {
	const [a, b] = [original.values, deployed.values];
	// A sample decides first, because most similar tensors are still different tensors.
	const isSimilar = a.length === b.length && isSampleClose(a, b);
	const direct = isSimilar ? ({ ...distance(a, b), order: 'same' } as const) : undefined;
	if (!isAnyOrder || (direct && isClose(direct))) {
		return direct;
	}
	const transposed = transposedLike(original, deployed);
	if (transposed && isSampleClose(a, transposed)) {
		const difference = { ...distance(a, transposed), order: 'transposed' } as const;
		if (isClose(difference)) {
			return difference;
		}
	}
	const length = Math.max(a.length, b.length);
	const sorted = { ...distance(sortedTo(length, a), sortedTo(length, b)), order: 'sorted' } as const;
	return isClose(sorted) ? sorted : direct;
}

/** Number of elements compared first. */
const SAMPLE = 256;
/** Largest distance of two samples, relative to their size, that still requires comparing the whole tensors. */
const MAX_SAMPLE_DISTANCE = 0.5;

function isSampleClose(a: Elements, b: Elements): boolean {
	const step = Math.max(1, Math.floor(a.length / SAMPLE));
	let energy = 0;
	let error = 0;
	for (let i = 0; i < a.length; i += step) {
		energy += a[i] * a[i];
		error += (a[i] - b[i]) ** 2;
	}
	return error <= MAX_SAMPLE_DISTANCE ** 2 * energy;
}

/** Returns the values of `b` in the order of `a` if either tensor has its channels first and the other last. */
function transposedLike(a: ValueTensor, b: ValueTensor): Elements | undefined {
	const rank = a.dims.length;
	if (rank < 3 || b.dims.length !== rank || a.values.length !== b.values.length) {
		return undefined;
	}
	const [batch, channels, ...space] = a.dims;
	const isDeployedLast = sameDims(b.dims, [batch, ...space, channels]);
	const isOriginalLast = sameDims(b.dims, [batch, a.dims[rank - 1], ...a.dims.slice(1, -1)]);
	if (!isDeployedLast && !isOriginalLast) {
		return undefined;
	}
	// [batch, rows, columns] of b becomes [batch, columns, rows].
	const columns = isDeployedLast ? channels : b.values.length / (batch * b.dims[1]);
	const rows = b.values.length / (batch * columns);
	const values = b.values.slice();
	for (let image = 0; image < batch; image++) {
		const start = image * rows * columns;
		for (let row = 0; row < rows; row++) {
			for (let column = 0; column < columns; column++) {
				values[start + column * rows + row] = b.values[start + row * columns + column];
			}
		}
	}
	return values;
}

function sameDims(a: readonly number[], b: readonly number[]): boolean {
	return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/** Returns sorted values. Adds zeros up to a length, because padding of channels and borders adds them, too. */
function sortedTo(length: number, values: Elements): Elements {
	const sorted = values instanceof Float32Array ? new Float32Array(length) : new Float64Array(length);
	sorted.set(values);
	return sorted.sort();
}

/** Compares elements in their order. @param b as long as `a` */
export function distance(a: Elements, b: Elements): Pick<ValueDifference, 'rms' | 'maxAbs'> {
	const { length } = a;
	// Two chains of additions run at the same time. The largest square needs no |x|.
	let [evenSum, oddSum, evenLargest, oddLargest] = [0, 0, 0, 0];
	for (let i = 0; i + 1 < length; i += 2) {
		const even = a[i] - b[i];
		const odd = a[i + 1] - b[i + 1];
		const evenSquare = even * even;
		const oddSquare = odd * odd;
		evenSum += evenSquare;
		oddSum += oddSquare;
		if (evenSquare > evenLargest) {
			evenLargest = evenSquare;
		}
		if (oddSquare > oddLargest) {
			oddLargest = oddSquare;
		}
	}
	const last = length % 2 === 0 ? 0 : (a[length - 1] - b[length - 1]) ** 2;
	const sum = evenSum + oddSum + last;
	const maxAbs = Number.isNaN(sum) ? Number.POSITIVE_INFINITY : Math.sqrt(Math.max(evenLargest, oddLargest, last));
	return { rms: length === 0 ? 0 : Math.sqrt(sum / length), maxAbs };
}
