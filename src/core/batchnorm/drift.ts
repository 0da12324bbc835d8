import { medianMagnitude } from '../numbers/arrays.js';
import type { Finding, LayerParameters } from '../report/types.js';
import { shortNumber } from '../text/numbers.js';
import { countChannels } from '../text/sentences.js';
import { hasExchangedColors } from './color-order.js';
import { contrastLimits, EXCHANGED_COLORS, likelyMistake, MIN_FACTOR, MIN_VALUES_PER_IMAGE } from './contrast.js';

/** A layer's running statistics, and its statistics of a batch. */
export interface DriftSubject {
	readonly parameters: Pick<LayerParameters, 'mean' | 'variance'>;
	/** Per channel over (N, spatial), variance biased. */
	readonly batch: { readonly mean: Float64Array; readonly variance: Float64Array };
	readonly epsilon: number;
	/** N. */
	readonly images: number;
	/** Values of an image per channel, if the channels are linear functions of the model's input; else undefined. */
	readonly valuesNearInput?: number | undefined;
	/** Weight sums of the convolution in front per color of the model's input, shape (channels, 3). */
	readonly colorSums?: Float64Array | undefined;
}

export interface DriftThresholds {
	/**
	 * Smallest drift that is reported, in running standard deviations (of the mean) or as half a log ratio (of the
	 * variance). 0.25 moves an activation by a quarter of its usual range.
	 */
	readonly least: number;
	/**
	 * Standard errors of N images beyond which a single channel is reported. 4 corresponds to about 6 in 100,000 of
	 * normal data.
	 */
	readonly standardErrors: number;
}

export const DEFAULT_DRIFT_THRESHOLDS: DriftThresholds = { least: 0.25, standardErrors: 4 };

/** Distance of the batch from the running statistics, with the sign of the change. Arrays of shape (channels). */
export interface Drift {
	/** (batch mean - mean) / sqrt(variance + epsilon): in running standard deviations. */
	readonly shift: Float64Array;
	/** ln((batch variance + epsilon) / (variance + epsilon)) / 2: the log ratio of the standard deviations. */
	readonly spread: Float64Array;
}

/** Computes the drift. Epsilon keeps it small in channels whose variance epsilon dominates. */
export function driftOf({ parameters, batch, epsilon }: Omit<DriftSubject, 'images'>): Drift {
	const running = (c: number) => parameters.variance[c] + epsilon;
	return {
		shift: batch.mean.map((mean, c) => (mean - parameters.mean[c]) / Math.sqrt(running(c))),
		spread: batch.variance.map((variance, c) => Math.log((variance + epsilon) / running(c)) / 2),
	};
}

/**
 * Returns the standard error of each measure for normal data. The number of samples is N, not N * H * W, because pixels
 * of an image are correlated. A single image shows no drift of the variance.
 */
export function samplingNoise(images: number): { readonly shift: number; readonly spread: number } {
	return { shift: 1 / Math.sqrt(images), spread: 1 / Math.sqrt(2 * (images - 1)) };
}

/**
 * Deviation that a single image may reach, in standard deviations: max(z - 1, 0) of a normal z reaches it once in
 * 100,000. It moves the mean by this much over N.
 */
const OUTLIER = 12;

/**
 * Allowed kurtosis of an image's share in the variance. A channel that is active in a single image of 50 reaches it.
 */
const KURTOSIS = 50;

/**
 * Minimum number of images for a statement about a channel's variance. Fewer than `grown` cannot show growth. Fewer
 * than `shrunk` cannot show shrinkage, because the rare images that carry the variance may be missing.
 */
const LEAST_IMAGES = { grown: 32, shrunk: 1024 };

/** The same of half of a layer's channels at once. */
const LEAST_IMAGES_OF_MOST = { grown: 8, shrunk: 256 };

/**
 * Share of the standard errors that half of the channels must exceed, in a layer behind activations. Its channels
 * respond to different features, so chance rarely moves many of them in the same direction.
 */
const SHARE_OF_MOST = { shift: 0.56, spread: 0.375 };

/** If the input is wrong, at least this share of the channels near it changes in the same direction. */
const SHARE_OF_ALL = 0.9;

/** Minimum number of channels for a meaningful median. */
const LEAST_CHANNELS = 4;

/**
 * Returns the drift that chance may cause in a channel with heavy-tailed data. Activations of networks are such data:
 * few images carry most of mean and variance. Infinity if the images are too few to show drift.
 */
export function chanceLimits(
	images: number,
	standardErrors: number,
): { readonly shift: number; readonly spread: number } {
	const shift = standardErrors * samplingNoise(images).shift + OUTLIER / images;
	const relative = standardErrors * Math.sqrt(KURTOSIS / images);
	return { shift, spread: images < LEAST_IMAGES.grown ? Number.POSITIVE_INFINITY : Math.log1p(relative) / 2 };
}

/** Standard errors from a limit to a drift that 98 % of samples detect. */
const POWER = 2;

/**
 * Returns the smallest drift of a mean, in running standard deviations, that 98 of 100 samples of normal data show.
 * `one`: in a single channel. `most`: in most channels of any layer; Infinity if the images are too few for it.
 */
export function smallestDrift(
	images: number,
	{ least, standardErrors }: DriftThresholds,
): { readonly one: number; readonly most: number } {
	const { shift } = samplingNoise(images);
	const most = Math.max(least, standardErrors * shift) + POWER * shift;
	return {
		one: Math.max(least, chanceLimits(images, standardErrors).shift) + POWER * shift,
		most: images < LEAST_IMAGES_OF_MOST.grown ? Number.POSITIVE_INFINITY : most,
	};
}

/** Returns the number of images that reveal a mean that is off by twice the smallest reported drift. */
export function imagesForDrift(thresholds: DriftThresholds): number {
	const wanted = 2 * thresholds.least;
	let enough = 1;
	while (smallestDrift(enough, thresholds).one > wanted && enough < MAX_IMAGES) {
		enough *= 2;
	}
	let [low, high] = [enough / 2, enough];
	while (high - low > 1) {
		const middle = Math.floor((low + high) / 2);
		[low, high] = smallestDrift(middle, thresholds).one > wanted ? [middle, high] : [low, middle];
	}
	return high;
}

/** Maximum images that a sentence asks for, for thresholds near 0. */
export const MAX_IMAGES = 1 << 20;

/** Drift that a channel must exceed to be reported. */
interface Limits {
	readonly shift: number;
	readonly grown: number;
	readonly shrunk: number;
}

/** Returns the limits for a single channel: {@link chanceLimits}, and the scatter of the channels. */
function limitsOfOne({ spread }: Drift, images: number, { least, standardErrors }: DriftThresholds): Limits {
	const chance = chanceLimits(images, standardErrors);
	const limit = Math.max(least, chance.spread, standardErrors * scatter(spread));
	return {
		shift: Math.max(least, chance.shift),
		grown: limit,
		shrunk: images < LEAST_IMAGES.shrunk ? Number.POSITIVE_INFINITY : limit,
	};
}

/**
 * Returns the lower limits that apply if at least half of the channels drift in one direction. Heavy tails do not move
 * a median: they increase the variance of a few channels and decrease the variance of most.
 *
 * Channels near the input share an image's brightness, which moves their means together, and its contrast, which moves
 * their variances together. Their median is as uncertain as a single channel, so they get the limits of a single normal
 * mean and of {@link contrastLimits}.
 */
function limitsOfMost(drift: Drift, subject: DriftSubject, { least, standardErrors }: DriftThresholds): Limits {
	const { images } = subject;
	const never = Number.POSITIVE_INFINITY;
	if (drift.shift.length < LEAST_CHANNELS || images < LEAST_IMAGES_OF_MOST.grown) {
		return { shift: never, grown: never, shrunk: never };
	}
	const noise = samplingNoise(images);
	const isShared = subject.valuesNearInput !== undefined;
	const shift = Math.max(least, (isShared ? 1 : SHARE_OF_MOST.shift) * standardErrors * noise.shift);
	const free = SHARE_OF_MOST.spread * standardErrors * noise.spread;
	const contrast = isShared ? contrastLimits(images, standardErrors) : { grown: free, shrunk: free };
	const grown = Math.max(least, free, contrast.grown);
	const shrunk = Math.max(least, free, contrast.shrunk);
	const middle = signedMedian(drift.spread);
	return {
		shift: medianMagnitude(drift.shift) > shift ? shift : never,
		grown: middle > grown ? grown : never,
		shrunk: images >= LEAST_IMAGES_OF_MOST.shrunk && middle < -shrunk ? shrunk : never,
	};
}

/**
 * Returns the limit for the median spread of channels near the input. It applies if all of them change in the same
 * direction, which reveals a wrong input with few images. Infinity otherwise.
 */
function limitOfAll(
	{ spread }: Drift,
	{ images, valuesNearInput = 0 }: DriftSubject,
	{ least, standardErrors }: DriftThresholds,
): Pick<Limits, 'grown' | 'shrunk'> {
	const never = Number.POSITIVE_INFINITY;
	if (spread.length < LEAST_CHANNELS || valuesNearInput < MIN_VALUES_PER_IMAGE) {
		return { grown: never, shrunk: never };
	}
	const limits = contrastLimits(images, standardErrors);
	const factor = Math.max(least, Math.log(MIN_FACTOR));
	const [grown, shrunk] = [Math.max(factor, limits.grown), Math.max(factor, limits.shrunk)];
	const middle = signedMedian(spread);
	const together = spread.filter((value) => Math.sign(value) === Math.sign(middle)).length;
	const isAll = together >= SHARE_OF_ALL * spread.length;
	return { grown: isAll && middle > grown ? grown : never, shrunk: isAll && middle < -shrunk ? shrunk : never };
}

/** Returns the median of the finite values; 0 if there are none. */
function signedMedian(values: Float64Array): number {
	const sorted = values.filter(Number.isFinite).sort();
	return sorted[sorted.length >> 1] ?? 0;
}

/** Standard deviation by the median absolute deviation (1.4826 of it for normal data); 0 of few channels. */
function scatter(values: Float64Array): number {
	const finite = values.filter(Number.isFinite);
	const middle = signedMedian(finite);
	return finite.length < LEAST_CHANNELS ? 0 : 1.4826 * medianMagnitude(finite.map((value) => value - middle));
}

/** Reports drift: {@link driftOf} beyond the drift that chance causes with that many images. */
export function statisticsDrift(subject: DriftSubject, thresholds = DEFAULT_DRIFT_THRESHOLDS): Finding[] {
	const { batch, images } = subject;
	const drift = driftOf(subject);
	const one = limitsOfOne(drift, images, thresholds);
	const most = limitsOfMost(drift, subject, thresholds);
	const all = limitOfAll(drift, subject, thresholds);
	const shiftLimit = Math.min(one.shift, most.shift);
	const grownLimit = Math.min(one.grown, most.grown, all.grown);
	const shrunkLimit = Math.min(one.shrunk, most.shrunk, all.shrunk);
	const channels: number[] = [];
	const worst = { channel: 0, excess: 0, words: '' };
	for (let c = 0; c < batch.mean.length; c++) {
		const shift = Math.abs(drift.shift[c]) / shiftLimit;
		const spreadLimit = drift.spread[c] > 0 ? grownLimit : shrunkLimit;
		const spread = Number.isFinite(spreadLimit) ? Math.abs(drift.spread[c]) / spreadLimit : 0;
		const excess = Math.max(shift, spread);
		if (!(excess > 1)) {
			continue;
		}
		channels.push(c);
		if (excess > worst.excess) {
			worst.channel = c;
			worst.excess = excess;
			worst.words =
				shift >= spread
					? `its mean is off by ${shortNumber(Math.abs(drift.shift[c]))} running standard deviations`
					: `its standard deviation is ${shortNumber(Math.exp(drift.spread[c]))} times the running one`;
		}
	}
	if (channels.length === 0) {
		return [];
	}
	const sample = images === 1 ? 'a single image' : `${images} images`;
	const message = `The running statistics of ${countChannels(channels, batch.mean.length)} do not fit the data (${sample}): in channel ${worst.channel} ${worst.words}.`;
	const isWrongInput = Number.isFinite(Math.min(all.grown, all.shrunk));
	const isExchange = !isWrongInput && subject.colorSums !== undefined && hasExchangedColors(subject, subject.colorSums);
	const scaled = isWrongInput ? likelyMistake(Math.exp(signedMedian(drift.spread))) : undefined;
	const cause = isExchange ? EXCHANGED_COLORS : scaled;
	const words = cause === undefined ? message : `${message} ${cause}`;
	return [{ code: 'statistics-drift', severity: 'warning', channels, message: words }];
}
