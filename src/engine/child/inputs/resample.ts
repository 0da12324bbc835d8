import { sum } from '../../../core/numbers/arrays.js';
/** Rows and columns of one plane. */
export interface PlaneSize {
	readonly width: number;
	readonly height: number;
}

/**
 * Bilinear resize of a row-major plane. Shrinking averages over all the pixels that fall on one, with the same triangle
 * drawn as wide as the step: what Pillow's BILINEAR does, and torchvision's Resize with antialias, so that a model sees
 * what it saw in training.
 */
export function resample(plane: Float32Array, from: PlaneSize, to: PlaneSize): Float32Array {
	const rows = alongRows(plane, from.height, weights(from.width, to.width));
	// The columns of a plane are the rows of the transposed one.
	const columns = alongRows(transpose(rows, to.width, from.height), to.width, weights(from.height, to.height));
	return transpose(columns, to.height, to.width);
}

/** What one output pixel is made of: `values` from input pixel `start` on, adding up to 1. */
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
		const centre = (index + 0.5) * step;
		const start = Math.max(0, Math.floor(centre - radius + 0.5));
		const end = Math.min(from, Math.floor(centre + radius + 0.5));
		const values = Float64Array.from({ length: end - start }, (_tap, k) =>
			Math.max(0, 1 - Math.abs(start + k + 0.5 - centre) / radius),
		);
		const total = sum(values);
		return { start, values: values.map((value) => value / total) };
	});
	return { from, taps };
}

function alongRows(plane: Float32Array, rows: number, { from, taps }: Weights): Float32Array {
	const result = new Float32Array(rows * taps.length);
	for (let row = 0; row < rows; row++) {
		taps.forEach(({ start, values }, column) => {
			let sum = 0;
			for (let k = 0; k < values.length; k++) {
				sum += plane[row * from + start + k] * values[k];
			}
			result[row * taps.length + column] = sum;
		});
	}
	return result;
}

/** A plane of `height` rows of `width` as one of `width` rows. */
function transpose(plane: Float32Array, width: number, height: number): Float32Array {
	const result = new Float32Array(plane.length);
	for (let row = 0; row < height; row++) {
		for (let column = 0; column < width; column++) {
			result[column * height + row] = plane[row * width + column];
		}
	}
	return result;
}
