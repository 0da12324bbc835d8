import type { FloatType } from '../core/numbers/float-formats.js';
import { widen } from '../core/numbers/small-floats.js';
import type { FloatData, Layout, StatisticsAxes } from './types.js';

export type Values = Float32Array | Float64Array;

/** Equally spaced elements of a tensor. */
export interface Span {
	/** Index of the first, the distance to the next, and how many there are. */
	readonly start: number;
	readonly stride: number;
	readonly length: number;
}

/**
 * A tensor as rows of `units` times `unitWidth` elements. A unit is what has parameters or statistics of its own: a
 * channel, whose planes are unitWidth = planeSize elements, or a column through all rows.
 */
export interface Matrix {
	readonly rows: number;
	readonly units: number;
	readonly unitWidth: number;
}

/** The matrix whose units are what statistics over `axes` are taken of. */
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

/** A unit's elements: one span down the rows, or one in every row. */
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

/** A span's elements as numbers: in `data` itself, or widened from a half type into an array of their own. */
export function readSpan(data: FloatData, type: FloatType, span: Span): { values: Values; at: Span } {
	if (!(data instanceof Uint16Array)) {
		return { values: data, at: span };
	}
	const values = widen(data, type === 'float16' ? 'float16' : 'bfloat16', span);
	return { values, at: { start: 0, stride: 1, length: span.length } };
}
