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

/** Codes of a constant, shape (elements), with the first and the last code of their type. */
export interface Codes {
	readonly data: ArrayLike<number>;
	readonly range: readonly [least: number, most: number];
}

/** Maximum number of codes of a type whose grid is judged by its ends. More codes leave a clipped value no room to show. */
const MAX_CODES = 16;

/**
 * Doubles the step of each cell that uses both ends of a type of few codes. A symmetric grid holds a value more below 0
 * than above, so a quantizer that gives the largest magnitude to the lower end clips values at the other end, where up to
 * a whole step is lost instead of a half.
 * @param steps step of each cell, shape (cells)
 * @param cellOf returns the cell of an element
 */
export function withClipping(
	steps: Float64Array,
	{ data, range: [least, most] }: Codes,
	cellOf: (index: number) => number,
): Float64Array {
	if (most - least >= MAX_CODES) {
		return steps;
	}
	const [atLeast, atMost] = [new Uint8Array(steps.length), new Uint8Array(steps.length)];
	for (let index = 0; index < data.length; index++) {
		const ends = data[index] === least ? atLeast : data[index] === most ? atMost : undefined;
		ends?.fill(1, cellOf(index), cellOf(index) + 1);
	}
	return steps.map((step, cell) => (atLeast[cell] === 1 && atMost[cell] === 1 ? 2 * step : step));
}

/**
 * Returns the step of each row of a constant behind DequantizeLinear, shape (rows): its scale, or the largest of its scales.
 * Undefined if the scales do not fit the constant.
 * @param codes codes of a symmetric grid, which may clip values; undefined for other grids
 */
export function rowSteps(
	scale: Tensor,
	{ dims, layout, axis, blockSize }: RowShape & ScaleLayout,
	codes?: Codes,
): Float64Array | undefined {
	const rows = channelCount(layout);
	const cellOf = cellsOf(dims, scale.dims, { axis, blockSize });
	const scales = Float64Array.from(scale.data, Math.abs);
	const steps = codes && cellOf ? withClipping(scales, codes, cellOf) : scales;
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
