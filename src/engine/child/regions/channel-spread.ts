import { axesBehind } from '../../../core/batchnorm/layer.js';
import type { FoldRegion } from '../../../core/folding/rewrite/fold-region.js';
import { numbersOf } from '../tensors/numbers.js';
import type { RuntimeTensor } from '../tensors/tensor.js';

/** Distances between two tensors and magnitudes of the first, each the largest of a channel, shape (channels). */
export interface ChannelSpread {
	readonly distance: Float64Array;
	readonly magnitude: Float64Array;
}

/**
 * Returns the distances between two tensors along a region's channel axis; infinite if only the first or only the
 * second value is finite. Undefined if the axis has another number of indices than the region has channels.
 */
export function spreadByChannel(
	a: RuntimeTensor,
	b: RuntimeTensor,
	{ channelAxis, terms: { length: channels } }: Pick<FoldRegion, 'channelAxis' | 'terms'>,
): ChannelSpread | undefined {
	const [x, y] = [numbersOf(a), numbersOf(b)];
	if (a.dims.at(channelAxis) !== channels || x.length !== y.length) {
		return undefined;
	}
	const behind = axesBehind(channelAxis, a.dims.length);
	const inner = a.dims.slice(a.dims.length - behind).reduce((count, size) => count * size, 1);
	const spread = { distance: new Float64Array(channels), magnitude: new Float64Array(channels) };
	for (let start = 0, row = 0; start < x.length; start += inner, row++) {
		const channel = row % channels;
		for (let index = start; index < start + inner; index++) {
			const distance = distanceOf(x[index], y[index]);
			if (distance > spread.distance[channel]) {
				spread.distance[channel] = distance;
			}
			const magnitude = Math.abs(x[index]);
			if (magnitude > spread.magnitude[channel] && magnitude < Number.POSITIVE_INFINITY) {
				spread.magnitude[channel] = magnitude;
			}
		}
	}
	return spread;
}

function distanceOf(a: number, b: number): number {
	const distance = Math.abs(a - b);
	return Number.isNaN(distance) ? (Object.is(a, b) ? 0 : Number.POSITIVE_INFINITY) : distance;
}

/**
 * Allowed multiple of the measured rounding. Three probes show a typical change of a few hundred values, not the
 * largest possible change.
 */
const SAFETY = 8;
/**
 * Rounding of a sum, relative to the probe's change. A probe moves each of n products by up to 4 u, uniformly, that is
 * by 2.3 u in the mean square. So it moves their sum by 2.3 u sqrt(n) times the typical product. The n roundings of
 * partial sums come to u n / sqrt(6) times the typical product: sqrt(n) / 5.6 times as much.
 */
const ACCUMULATION = 5.6;

/**
 * Returns the largest difference of a channel, in units of its bound. The bound holds the rounding of sums of products,
 * which probes measure, and the roundings of the constant terms.
 */
export function excess(
	{ distance, magnitude }: ChannelSpread,
	probes: readonly (ChannelSpread | undefined)[],
	{ region, unitRoundoff }: { readonly region: FoldRegion; readonly unitRoundoff: number },
): number {
	const growth = Math.max(1, Math.sqrt(region.summands) / ACCUMULATION);
	return distance.reduce((worst, difference, channel) => {
		const finite = probes.map((probe) => probe?.distance[channel] ?? 0).filter(Number.isFinite);
		const bound =
			SAFETY * (growth * Math.max(0, ...finite) + unitRoundoff * (magnitude[channel] + region.terms[channel]));
		return difference === 0 ? worst : Math.max(worst, difference / bound);
	}, 0);
}
