import type { Affine } from '../../batchnorm/affine.js';
import type { CheckpointTensor } from '../../formats/tensor.js';
import { product } from '../../numbers/arrays.js';
import { FLOAT_FORMATS, type FloatType } from '../../numbers/float-formats.js';
import { ROUNDED_STEPS } from '../operators/expected.js';
import type { QuantizationGrid } from '../operators/quantization-grid.js';
import type { LayerValues } from './layer-values.js';

/** Roundings of a folded weight or bias, and of its addition to the other branches. */
const [FOLD_ROUNDINGS, SUM_ROUNDINGS] = [16, 2];

/** A branch: a convolution with its layer, or the layer alone on the block's input. */
export interface Branch {
	readonly layer: LayerValues;
	readonly weight: CheckpointTensor | undefined;
	readonly values: Float64Array | null;
	readonly bias: Float64Array | null;
}

/** Constants of the deployed convolution that a block may have become. */
export interface Target {
	readonly weight: Float32Array | Float64Array;
	readonly bias: Float64Array | null;
	readonly dims: readonly number[];
	readonly stored: FloatType;
	/** Steps of each row, if the constants are on a grid. */
	readonly grid?: QuantizationGrid;
}

/** Returns the rows of a branch without a scale, in the arrangement of the convolution's weight. */
export function plainRows(branch: Branch, { weight, dims }: Target): Float64Array {
	const [rows = 0] = dims;
	const sums: Sums = {
		sum: new Float64Array(weight.length),
		terms: new Float64Array(weight.length),
		shift: new Float64Array(rows),
		shiftTerms: new Float64Array(rows),
	};
	addBranch(branch, { scale: new Float64Array(rows).fill(1), shift: new Float64Array(rows) }, dims, sums);
	return sums.sum;
}

/** True if a branch's kernel fits into the middle of a convolution's, with the same channels. */
export function fits({ layer, weight }: Branch, dims: readonly number[], group: number): boolean {
	const [outputs = 0, inputs = 0, ...kernel] = dims;
	if (layer.layer.channels !== outputs) {
		return false;
	}
	if (!weight) {
		return outputs === inputs * group && kernel.every((size) => size % 2 === 1);
	}
	const [own, from, ...sizes] = weight.dims;
	const isInside = sizes.every((size, axis) => size <= (kernel[axis] ?? 0) && (kernel[axis] - size) % 2 === 0);
	return own === outputs && from === inputs && sizes.length === kernel.length && isInside;
}

/** Compares the first rows of a convolution with the sum of its branches, each with a scale and a shift of its rows. */
export function compareSum(branches: readonly Branch[], maps: readonly Affine[], target: Target, rows: number) {
	const { weight, bias, dims, stored, grid } = target;
	const sum = new Float64Array((weight.length / Math.max(1, dims[0] ?? 1)) * rows);
	const terms = new Float64Array(sum.length);
	const shift = new Float64Array(rows);
	const shiftTerms = new Float64Array(shift.length);
	for (const [at, branch] of branches.entries()) {
		addBranch(branch, maps[at], dims, { sum, terms, shift, shiftTerms });
	}
	const relative =
		(FOLD_ROUNDINGS + SUM_ROUNDINGS * branches.length) * FLOAT_FORMATS.float32.unitRoundoff +
		(stored === 'float32' || stored === 'float64' ? 0 : FLOAT_FORMATS[stored].unitRoundoff);
	const { tiny } = FLOAT_FORMATS[stored];
	const perRow = sum.length / Math.max(1, rows);
	const weightSlack = (index: number) => tiny + ROUNDED_STEPS * (grid?.weight?.[Math.floor(index / perRow)] ?? 0);
	const biasSlack = (row: number) => tiny + ROUNDED_STEPS * (grid?.bias?.[row] ?? 0);
	const weights = largestError(sum, weight, (index) => relative * terms[index] + weightSlack(index));
	const found = bias ?? new Float64Array(shift.length);
	const biases = largestError(shift, found, (row) => relative * shiftTerms[row] + biasSlack(row));
	return {
		isRight: weights.isRight && biases.isRight,
		hasWeights: weights.isRight,
		maxAbs: Math.max(weights.maxAbs, biases.maxAbs),
		bound: Math.max(weights.bound, biases.bound),
	};
}

interface Sums {
	readonly sum: Float64Array;
	/** Magnitudes of the summands, which bound the rounding. */
	readonly terms: Float64Array;
	readonly shift: Float64Array;
	readonly shiftTerms: Float64Array;
}

function addBranch(
	{ layer, weight, values, bias }: Branch,
	{ scale, shift }: Affine,
	[, inputs = 1, ...kernel]: readonly number[],
	sums: Sums,
): void {
	const { mean, beta } = layer.parameters;
	const area = product(kernel);
	const sizes = weight ? weight.dims.slice(2) : kernel.map(() => 1);
	const positions = insidePositions(sizes, kernel);
	for (const [row, s] of scale.subarray(0, sums.shift.length).entries()) {
		const b = bias?.[row] ?? 0;
		sums.shift[row] += b * s + shift[row];
		sums.shiftTerms[row] += Math.abs(b * s) + Math.abs(mean[row] * s) + Math.abs(beta[row]);
		for (let input = 0; input < inputs; input++) {
			for (const [at, position] of positions.entries()) {
				const own = values ? values[(row * inputs + input) * positions.length + at] : Number(input === row % inputs);
				const index = (row * inputs + input) * area + position;
				sums.sum[index] += own * s;
				sums.terms[index] += Math.abs(own * s);
			}
		}
	}
}

/** Returns the positions of a small kernel in the middle of a larger one, both in row-major order. */
function insidePositions(sizes: readonly number[], kernel: readonly number[]): readonly number[] {
	return sizes.reduce<readonly number[]>(
		(positions, size, axis) => {
			const start = (kernel[axis] - size) / 2;
			return positions.flatMap((position) =>
				Array.from({ length: size }, (_, at) => position * kernel[axis] + start + at),
			);
		},
		[0],
	);
}

function largestError(
	expected: Float64Array,
	found: Float32Array | Float64Array,
	allowedAt: (index: number) => number,
): { readonly isRight: boolean; readonly maxAbs: number; readonly bound: number } {
	let [maxAbs, bound] = [0, 0];
	let isRight = true;
	for (let index = 0; index < expected.length; index++) {
		const error = Math.abs(found[index] - expected[index]);
		const allowed = allowedAt(index);
		isRight &&= error <= allowed;
		maxAbs = Math.max(maxAbs, error);
		bound = Math.max(bound, allowed);
	}
	return { isRight, maxAbs, bound };
}
