import { medianMagnitude } from '../numbers/arrays.js';
import type { LayerParameters } from '../report/types.js';
import { exchangeShift } from './color-order.js';
import { type DriftThresholds, MAX_IMAGES, smallestDrift } from './drift.js';

/** A layer behind a convolution of the model's input. */
export interface ColorLayer {
	readonly parameters: Pick<LayerParameters, 'mean' | 'variance'>;
	readonly epsilon: number;
	/** Weight sums of the convolution per color of the input, shape (channels, 3). */
	readonly sums: Float64Array;
}

/**
 * Images that average the brightness of a sample well enough. Its standard error is 1 / sqrt(N) input deviations at most,
 * and two of them stay below the brightness that an exchange of colors allows: 0.5 of the distance 0.7 between the means of
 * red and blue, so N >= (2 / 0.35)^2.
 */
const LEAST_IMAGES = 33;

/** Scatter of the channels' means that leaves an explained share of 0.8 to the colors: 1 / N against 4 times as much. */
const EXPLAINED_OVER_SCATTER = 4;

/**
 * Returns the number of images that show red and blue exchanged in the statistics of a layer; undefined if its weights
 * treat red and blue too much alike for any number.
 */
export function imagesForExchange({ parameters, epsilon, sums }: ColorLayer, thresholds: DriftThresholds) {
	const shift = exchangeShift(sums).map((value, c) => value / Math.sqrt(parameters.variance[c] + epsilon));
	const largest = shift.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
	const middle = medianMagnitude(shift);
	const power = shift.reduce((sum, value) => sum + value ** 2, 0) / shift.length;
	const isShown = (images: number) => {
		const { one, most } = smallestDrift(images, thresholds);
		return (largest >= one || middle >= most) && images * power >= EXPLAINED_OVER_SCATTER;
	};
	if (!(largest > thresholds.least) || !isShown(MAX_IMAGES)) {
		return undefined;
	}
	let [low, high] = [LEAST_IMAGES - 1, MAX_IMAGES];
	while (high - low > 1) {
		const half = Math.floor((low + high) / 2);
		[low, high] = isShown(half) ? [low, half] : [half, high];
	}
	return high;
}
