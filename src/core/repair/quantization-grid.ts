import { ROUNDED_STEPS } from '../folding/operators/expected.js';
import { mapInto } from '../numbers/arrays.js';
import { type FloatType, roundTo } from '../numbers/float-formats.js';
import { integerRange, roundEven } from '../onnx/graph/quantization.js';
import type { DataTypeName } from '../onnx/model.js';

/** A quantized constant: value = (integer - zero) * scale, with a scale and a zero point for each cell. */
export interface Grid {
	readonly dtype: DataTypeName;
	/** Type that scales are stored in. */
	readonly scaleType: FloatType;
	/** Scale and zero point of each cell, both of shape (cells). A scale may be negative, or 0 for a cell of zeros. */
	readonly scale: Float64Array;
	readonly zero: Float64Array;
	/** Returns the cell of an element. */
	readonly cellOf: (index: number) => number;
}

/** Integers that hold the wanted values. */
export interface Requantized {
	readonly integers: Float64Array;
	readonly scale: Float64Array;
	readonly zero: Float64Array;
	/** Cells with another scale or zero point than before. */
	readonly changed: readonly number[];
}

export interface RequantizeOptions {
	/** Least scale of each row, shape (rows), that lets the row's bias fit into int32. Blocks ignore it. */
	readonly leastScale?: Float64Array | undefined;
	/** True if zero points may change; otherwise only scales do. */
	readonly hasZeroPoints: boolean;
	/**
	 * Factor on each scale, shape (cells), for a bias: its scale is the product of the scales of input and weight. Such
	 * scales stay otherwise.
	 */
	readonly factors?: Float64Array | undefined;
}

/** Rules for the scale of a cell. */
interface ScaleRules {
	/** Minimum share of the integer range that a cell must use to keep its stated scale. */
	readonly minUse: number;
	/** Maximum size of a symmetric scale that keeps the zero point, relative to a scale with another zero point. */
	readonly maxWaste: number;
}

/** In 8 bits two of them may stay unused. In types of few codes each unused code shows in the outputs. */
const RULES: Readonly<Record<'many' | 'few', ScaleRules>> = {
	many: { minUse: 1 / 4, maxWaste: 2 },
	few: { minUse: 3 / 4, maxWaste: 1 },
};
/** Maximum number of codes of a type that counts as few. */
const FEW_CODES = 16;

/**
 * Quantizes values on the stated grid. Integers within half a step of their value stay. A cell gets a new scale if its
 * values do not fit into the stated range, or use too little of it. Rounding would destroy such small values,
 * and the scale was chosen for wrong values.
 * @param found integers in the file, shape (elements), like `values`
 */
export function requantize(
	found: ArrayLike<number>,
	values: ArrayLike<number>,
	grid: Grid,
	{ leastScale, hasZeroPoints, factors }: RequantizeOptions,
): Requantized {
	const [least, most] = usedRange(found, grid);
	const { minUse, maxWaste } = RULES[most - least < FEW_CODES ? 'few' : 'many'];
	const sign = grid.scale.map((step) => (step < 0 ? -1 : 1));
	const round = (step: number) => roundTo(step, grid.scaleType);
	const scale = grid.scale.map((step, cell) => round(Math.abs(step) * (factors?.[cell] ?? 1)));
	const zero = grid.zero.slice();
	const signed = Float64Array.from(values, (value, index) => value * sign[grid.cellOf(index)]);
	const extremes = factors ? [] : extremesOf(signed, grid);
	const changed = Array.from(scale.keys()).filter((cell) => (factors?.[cell] ?? 1) !== 1);
	for (const [cell, [low, high]] of extremes.entries()) {
		const room = [least - zero[cell], most - zero[cell]];
		const size = Math.max(-low, high);
		const isHeld = low >= scale[cell] * (room[0] - 0.5) && high <= scale[cell] * (room[1] + 0.5);
		const isUsed = size >= minUse * Math.max(-room[0], room[1]) * scale[cell] || size === 0;
		const floor = leastOf(leastScale, cell, extremes.length);
		if (isHeld && isUsed && scale[cell] >= floor) {
			continue;
		}
		changed.push(cell);
		const whole = (high - low) / (most - least);
		const fixed = Math.max(
			room[0] < 0 ? low / room[0] : low < 0 ? Infinity : 0,
			room[1] > 0 ? high / room[1] : high > 0 ? Infinity : 0,
		);
		const keepsZero = !hasZeroPoints || fixed <= maxWaste * whole;
		scale[cell] = round(Math.max(keepsZero ? fixed : whole, floor)) || scale[cell];
		if (!keepsZero) {
			zero[cell] = Math.min(most, Math.max(least, Math.round(least - low / scale[cell])));
		}
	}
	const isNew = new Set(changed);
	const integers = mapInto(new Float64Array(signed.length), signed, (value, index) => {
		const cell = grid.cellOf(index);
		if (scale[cell] === 0) {
			return found[index];
		}
		const steps = value / scale[cell] + zero[cell];
		const isRight = !isNew.has(cell) && Math.abs(found[index] - steps) <= ROUNDED_STEPS;
		return isRight ? found[index] : Math.min(most, Math.max(least, roundEven(steps)));
	});
	return { integers, scale: scale.map((step, cell) => step * sign[cell]), zero, changed };
}

/** Ranges of weights in 7 bits, which quantizers choose where sums of products of 8 bits would overflow 16 bits. */
const REDUCED_RANGES: Partial<Record<DataTypeName, readonly [least: number, most: number]>> = {
	int8: [-64, 64],
	uint8: [0, 127],
};

/**
 * Returns the range of a constant's integers: that of its type, or of 7 bits if no integer and no zero point is outside it
 * and some integer is in its outer half. A grid of 8 bits that was made for its values reaches an end of the type.
 */
function usedRange(found: ArrayLike<number>, { dtype, zero }: Grid): readonly [least: number, most: number] {
	const reduced = REDUCED_RANGES[dtype];
	const whole = integerRange(dtype) ?? [0, 0];
	if (!reduced) {
		return whole;
	}
	const [least, most] = reduced;
	const isInside = (value: number) => value >= least && value <= most;
	const all = Array.from(found);
	return zero.every(isInside) && all.every(isInside) && all.some((value) => Math.abs(value) > most / 2)
		? reduced
		: whole;
}

function leastOf(leastScale: Float64Array | undefined, cell: number, cells: number): number {
	if (!leastScale || (cells > 1 && cells !== leastScale.length)) {
		return 0;
	}
	return cells === 1 ? leastScale.reduce((a, b) => Math.max(a, b), 0) : leastScale[cell];
}

/** Returns the smallest and the largest value of each cell, 0 included. */
function extremesOf(values: ArrayLike<number>, { scale, cellOf }: Grid): [number, number][] {
	const extremes = Array.from(scale, (): [number, number] => [0, 0]);
	for (let index = 0; index < values.length; index++) {
		const cell = extremes[cellOf(index)];
		cell[0] = Math.min(cell[0], values[index]);
		cell[1] = Math.max(cell[1], values[index]);
	}
	return extremes;
}
