import { sum } from '../../../core/numbers/arrays.js';

/** Number of rows and columns of a plane. */
export interface PlaneSize {
	readonly width: number;
	readonly height: number;
}

/**
 * Resizes a row-major plane bilinearly. Shrinking averages all covered pixels with a triangle as wide as the step.
 * Pillow's BILINEAR and torchvision's Resize with antialias do the same, so a model sees its input as in training.
 */
export function resample(plane: Float32Array, from: PlaneSize, to: PlaneSize): Float32Array {
	const rows = from.width === to.width ? plane : alongRows(plane, from.height, weights(from.width, to.width));
	if (from.height === to.height) {
		return rows;
	}
	// The columns of a plane are the rows of its transpose.
	const columns = alongRows(transpose(rows, to.width, from.height), to.width, weights(from.height, to.height));
	return transpose(columns, to.height, to.width);
}

/** Weights of an output pixel: `values` apply to input pixels from `start` on and add up to 1. */
interface Taps {
	readonly start: number;
	readonly values: Float64Array;
}

interface Weights {
	readonly from: number;
	readonly taps: readonly Taps[];
}

function weights(from: number, to: number): Weights {
	const step = from / to;
	const radius = Math.max(step, 1);
	const taps = Array.from({ length: to }, (_, index): Taps => {
		const center = (index + 0.5) * step;
		const start = Math.max(0, Math.floor(center - radius + 0.5));
		const end = Math.min(from, Math.floor(center + radius + 0.5));
		const values = Float64Array.from({ length: end - start }, (_tap, k) =>
			Math.max(0, 1 - Math.abs(start + k + 0.5 - center) / radius),
		);
		const total = sum(values);
		return { start, values: values.map((value) => value / total) };
	});
	return { from, taps };
}

function alongRows(plane: Float32Array, rows: number, { from, taps }: Weights): Float32Array {
	const result = new Float32Array(rows * taps.length);
	for (let row = 0; row < rows; row++) {
		for (let column = 0; column < taps.length; column++) {
			const { start, values } = taps[column];
			let sum = 0;
			for (let k = 0; k < values.length; k++) {
				sum += plane[row * from + start + k] * values[k];
			}
			result[row * taps.length + column] = sum;
		}
	}
	return result;
}

/** Transposes a plane of `height` rows of `width` values. */
function transpose(plane: Float32Array, width: number, height: number): Float32Array {
	const result = new Float32Array(plane.length);
	for (let row = 0; row < height; row++) {
		for (let column = 0; column < width; column++) {
			result[column * height + row] = plane[row * width + column];
		}
	}
	return result;
}
