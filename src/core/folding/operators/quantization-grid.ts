import { cellsOf, type ScaleLayout } from '../../onnx/graph/quantization.js';
import type { Tensor } from '../../onnx/model.js';
import { alongAxis, type ChannelLayout, channelCount, forEachRun, sameLayout } from './layout.js';

/** A constant's shape, and its division into rows. */
export interface RowShape {
	readonly dims: readonly number[];
	readonly layout: ChannelLayout;
}

/** Steps between neighboring values of quantized constants, as the model states them, shape (rows). */
export interface QuantizationGrid {
	/** Absent for weights in float. */
	readonly weight?: Float64Array;
	/** Absent for a bias in float. */
	readonly bias?: Float64Array;
	/** Largest magnitude of a bias in int32, shape (rows); absent for other types. */
	readonly biasLimit?: Float64Array;
}

/** Constant that a node adds behind an operator, shape (rows), with its quantization steps unless it is in float. */
export interface Addition {
	readonly values: Float64Array;
	readonly steps?: Float64Array;
}

/** Returns the grid of a bias that is the sum of an operator's own bias and an addition behind it. */
export function withAddition(
	grid: QuantizationGrid | undefined,
	{ steps }: Addition,
	rows: number,
): QuantizationGrid | undefined {
	const own = grid?.bias ?? new Float64Array(rows);
	return steps ? { ...grid, bias: steps.map((step, row) => step + own[row]) } : grid;
}

/** Whole steps below 0 that int32 holds. Above 0 there is a step less. */
export const INT32_STEPS = 2 ** 31;

/** Returns the grid of an int32 bias. @param steps shape (rows) */
export function int32Bias(steps: Float64Array): Pick<QuantizationGrid, 'bias' | 'biasLimit'> {
	return { bias: steps, biasLimit: steps.map((step) => step * INT32_STEPS) };
}

/**
 * Largest step of a tensor, or row, without any value but 0. Quantizers state 1 for it, or the least scale that they allow
 * (PyTorch: float32's epsilon), so the stated step does not show how large the values were.
 */
const EMPTY_STEP = 2 ** -23;

/**
 * Returns the step of each row of a constant behind DequantizeLinear, shape (rows): its scale, or the largest of its scales.
 * Undefined if the scales do not fit the constant.
 */
export function rowSteps(
	scale: Tensor,
	{ dims, layout, axis, blockSize }: RowShape & ScaleLayout,
): Float64Array | undefined {
	const rows = channelCount(layout);
	const steps = Float64Array.from(scale.data, Math.abs);
	const cellOf = cellsOf(dims, scale.dims, { axis, blockSize });
	const at = axis < 0 ? axis + dims.length : axis;
	if (!cellOf || steps.length === 1) {
		return cellOf && new Float64Array(rows).fill(steps[0]);
	}
	if (blockSize === 0 && sameLayout(alongAxis(dims, at), layout)) {
		return steps;
	}
	const largest = new Float64Array(rows);
	forEachRun(layout, (row, start) => {
		for (let index = start; index < start + layout.inner; index++) {
			largest[row] = Math.max(largest[row], steps[cellOf(index)]);
		}
	});
	return largest;
}

/**
 * Limits the steps of rows of zeros, which have an arbitrary scale. A row may share its scale with others that determine
 * it: all rows of a tensor, or a row of each group of a transposed convolution.
 * @param steps step of each row, shape (rows)
 */
export function withoutEmptySteps(
	steps: Float64Array,
	{ values, layout }: { readonly values: ArrayLike<number>; readonly layout: ChannelLayout },
): Float64Array {
	const isFilled = new Uint8Array(channelCount(layout));
	forEachRun(layout, (row, start) => {
		for (let index = start; index < start + layout.inner && isFilled[row] === 0; index++) {
			isFilled[row] = Number(values[index] !== 0);
		}
	});
	const determined = new Set(steps.filter((_, row) => isFilled[row] === 1));
	return steps.map((step) => (determined.has(step) ? step : Math.min(step, EMPTY_STEP)));
}
