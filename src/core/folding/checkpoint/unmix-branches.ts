import { mapInto } from '../../numbers/arrays.js';
/** Scales of parallel branches whose sum is a weight. */
export interface UnmixedBranches {
	/** Per branch: the factor of each of its rows, shape (rows). */
	readonly scales: readonly Float64Array[];
	/** Per row: 1 if the branches with these factors add up to the weight. */
	readonly isSum: Uint8Array;
}

/** Part of a row, relative to its length, that rounding may leave. */
const ROUNDING = 1e-4;
/** Minimum share of a row that a branch with an effect has. */
const MIN_SHARE = 1e-3;
/** Elements of a row for each branch. Fewer elements are a sum of any branches. */
const MIN_ELEMENTS = 2;

/**
 * Finds the factor of each branch in each row of a weight, by least squares.
 * @param parts rows of each branch without a factor, in the arrangement of `weight`
 * @returns undefined if fewer than half of the rows are a sum in which each branch has a part
 */
export function unmixBranches(
	parts: readonly Float64Array[],
	weight: Float32Array | Float64Array,
	rows: number,
): UnmixedBranches | undefined {
	const length = weight.length / rows;
	const scales = parts.map(() => new Float64Array(rows));
	const isSum = new Uint8Array(rows);
	if (length < MIN_ELEMENTS * parts.length) {
		return undefined;
	}
	for (let row = 0; row < rows; row++) {
		const target = weight.subarray(row * length, (row + 1) * length);
		const vectors = parts.map((part) => part.subarray(row * length, (row + 1) * length));
		const factors = solve(vectors, target);
		factors?.forEach((factor, branch) => {
			scales[branch][row] = factor;
		});
		isSum[row] = Number(factors !== undefined && isSumOf(vectors, factors, target));
	}
	return 2 * isSum.reduce((sum, value) => sum + value, 0) >= rows ? { scales, isSum } : undefined;
}

type Vector = Float32Array | Float64Array;

function isSumOf(vectors: readonly Vector[], factors: readonly number[], target: Vector): boolean {
	const size = Math.sqrt(dot(target, target));
	const rest = mapInto(new Float64Array(target.length), target, (value, at) =>
		vectors.reduce((left, vector, branch) => left - factors[branch] * vector[at], value),
	);
	const hasAll = vectors.every(
		(vector, branch) => Math.abs(factors[branch]) * Math.sqrt(dot(vector, vector)) >= MIN_SHARE * size,
	);
	return hasAll && Math.sqrt(dot(rest, rest)) <= ROUNDING * size;
}

/** Solves the normal equations by elimination; undefined if the vectors depend on each other. */
function solve(vectors: readonly Vector[], target: Vector): readonly number[] | undefined {
	const matrix = vectors.map((a) => [...vectors.map((b) => dot(a, b)), dot(a, target)]);
	const size = vectors.length;
	for (let step = 0; step < size; step++) {
		const pivot = matrix
			.slice(step)
			.reduce((best, line) => (Math.abs(line[step]) > Math.abs(best[step]) ? line : best), matrix[step]);
		matrix.splice(matrix.indexOf(pivot), 1);
		matrix.splice(step, 0, pivot);
		if (!(Math.abs(pivot[step]) > Number.EPSILON * dot(vectors[step], vectors[step]))) {
			return undefined;
		}
		for (const line of matrix) {
			const factor = line === pivot ? 0 : line[step] / pivot[step];
			for (let at = step; at <= size; at++) {
				line[at] -= factor * pivot[at];
			}
		}
	}
	return matrix.map((line, at) => line[size] / line[at]);
}

function dot(a: Vector, b: Vector): number {
	let sum = 0;
	for (let at = 0; at < a.length; at++) {
		sum += a[at] * b[at];
	}
	return sum;
}
