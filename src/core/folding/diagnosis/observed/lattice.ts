import { type ChannelLayout, channelCount, rowLength } from '../../operators/layout.js';
import { runStart } from './ratios.js';

/** Quantization detected in float weights: every value is a whole number of steps. */
export interface Lattice {
	/** Distance between neighboring values, shape (rows). */
	readonly steps: Float64Array;
	readonly perTensor: boolean;
}

/** Maximum number of values of a tensor or row that was quantized to 8 bits. */
const MAX_LEVELS = 256;
/**
 * Allowed distance of a quotient from a whole number: float32 rounding of a product with up to 255 steps, with a
 * margin.
 */
const TOLERANCE = 1e-4;
/** Minimum number of different values. Fewer values are multiples of some step by accident. */
const MIN_ROW = 4;

/**
 * Finds the steps of weights that were quantized to 8 bits and back, with a step for the tensor or a step per output
 * channel. Undefined for other weights. Zero points make no difference, because 0 is always on the lattice.
 */
export function quantizationLattice(deployed: Float32Array | Float64Array, layout: ChannelLayout): Lattice | undefined {
	const rows = channelCount(layout);
	const whole = distinctMagnitudes(deployed);
	const step = whole && whole.length >= MIN_ROW ? latticeStep(whole) : undefined;
	if (step) {
		return { steps: new Float64Array(rows).fill(step), perTensor: true };
	}
	if (rowLength(layout) < MIN_ROW) {
		return undefined;
	}
	const steps = new Float64Array(rows);
	let [telling, filled] = [0, 0];
	for (let row = 0; row < rows; row++) {
		const magnitudes = distinctMagnitudes(rowOf(deployed, layout, row));
		const step = magnitudes && latticeStep(magnitudes);
		if (!magnitudes || step === undefined) {
			return undefined;
		}
		steps[row] = step;
		telling += magnitudes.length >= MIN_ROW ? 1 : 0;
		filled += magnitudes.length > 0 ? 1 : 0;
	}
	// Rows of at most two distinct values (constant or binary weights) always lie on a lattice.
	return telling >= filled / 2 && telling > 0 ? { steps, perTensor: false } : undefined;
}

function rowOf(deployed: Float32Array | Float64Array, layout: ChannelLayout, row: number): Float32Array | Float64Array {
	if (layout.outer === 1) {
		const start = runStart(layout, row, 0);
		return deployed.subarray(start, start + layout.inner);
	}
	const values = new Float64Array(rowLength(layout));
	for (let i = 0; i < layout.outer; i++) {
		const start = runStart(layout, row, i);
		values.set(deployed.subarray(start, start + layout.inner), i * layout.inner);
	}
	return values;
}

/** Returns the distinct non-zero magnitudes, ascending; undefined if there are more than 8 bits can represent. */
function distinctMagnitudes(values: Float32Array | Float64Array): number[] | undefined {
	const seen = new Set<number>();
	for (const value of values) {
		if (!Number.isFinite(value)) {
			return undefined;
		}
		if (value !== 0) {
			seen.add(Math.abs(value));
			if (seen.size > MAX_LEVELS) {
				return undefined;
			}
		}
	}
	return [...seen].sort((a, b) => a - b);
}

/** Returns the largest step that divides all magnitudes into at most 255 parts; 0 for zeros. */
function latticeStep(magnitudes: readonly number[]): number | undefined {
	const largest = magnitudes.at(-1) ?? 0;
	if (largest === 0) {
		return 0;
	}
	for (let count = 1; count < MAX_LEVELS; count++) {
		const step = largest / count;
		if (magnitudes.every((value) => Math.abs(value / step - Math.round(value / step)) <= TOLERANCE)) {
			return step;
		}
	}
	return undefined;
}
