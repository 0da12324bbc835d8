import type { FloatType } from '../core/numbers/float-formats.js';
import { widen } from '../core/numbers/small-floats.js';
import type { FloatData, Layout, StatisticsAxes } from './types.js';

export type Values = Float32Array | Float64Array;

/** Equally spaced elements of a tensor. */
export interface Span {
	/** Index of the first element. */
	readonly start: number;
	/** Distance between neighbors, in elements. */
	readonly stride: number;
	/** Number of elements. */
	readonly length: number;
}

/**
 * A tensor as `rows` rows of `units` times `unitWidth` elements. A unit has its own parameters or statistics. It is a
 * channel with planes of unitWidth = planeSize elements, or a column through all rows (unitWidth = 1).
 */
export interface Matrix {
	readonly rows: number;
	readonly units: number;
	readonly unitWidth: number;
}

/** A tensor seen as a matrix. */
export interface MatrixTensor {
	readonly data: FloatData;
	readonly dtype: FloatType;
	readonly matrix: Matrix;
}

/** Returns the matrix with a unit for each statistic over `axes`. */
export function matrixOf({ batch, channels, planeSize }: Layout, axes: StatisticsAxes): Matrix {
	switch (axes) {
		case 'channel':
			return { rows: batch, units: channels, unitWidth: planeSize };
		case 'activation':
			return { rows: batch, units: channels * planeSize, unitWidth: 1 };
		case 'location':
			return { rows: batch * channels, units: planeSize, unitWidth: 1 };
	}
}

/** Returns the spans of a unit's elements: a single span through all rows for columns, else a span in every row. */
export function spansOf({ rows, units, unitWidth }: Matrix, unit: number): Span[] {
	if (unitWidth === 1) {
		return [{ start: unit, stride: units, length: rows }];
	}
	return Array.from({ length: rows }, (_, row) => ({
		start: (row * units + unit) * unitWidth,
		stride: 1,
		length: unitWidth,
	}));
}

/** Returns a span's elements as numbers: `data` itself, or a new array widened from a half type. `at`: span in `values`. */
export function readSpan(data: FloatData, dtype: FloatType, span: Span): { values: Values; at: Span } {
	if (!(data instanceof Uint16Array)) {
		return { values: data, at: span };
	}
	const values = widen(data, dtype === 'float16' ? 'float16' : 'bfloat16', span);
	return { values, at: { start: 0, stride: 1, length: span.length } };
}
