import type { ParameterValues } from './parameters.js';
import { countChannels, shortNumber } from './words.js';

/** A layer's running statistics and those of the batch that was run through it. */
export interface DriftSubject {
	readonly parameters: Pick<ParameterValues, 'mean' | 'variance'>;
	/** Per channel over (N, spatial), variance biased. */
	readonly batch: { readonly mean: Float64Array; readonly variance: Float64Array };
	readonly epsilon: number;
	/** N. */
	readonly images: number;
}

export interface DriftThresholds {
	/** Smallest drift worth a word, in running standard deviations (of the mean) or as half a log ratio (of the variance):
	 * 0.25 moves an activation by a quarter of its usual range. */
	readonly least: number;
	/** Standard errors of N images beyond which it is no chance: 4, false for about 6 in 100,000 channels. */
	readonly standardErrors: number;
}

export const DEFAULT_DRIFT_THRESHOLDS: DriftThresholds = { least: 0.25, standardErrors: 4 };

export interface DriftFinding {
	readonly code: 'statistics-drift';
	readonly severity: 'warning';
	readonly channels: readonly number[];
	readonly message: string;
}

/** How far the batch lies from the running statistics, channel by channel, each with the sign of the change. */
export interface Drift {
	/** (batch mean - mean) / sqrt(variance + epsilon): in running standard deviations. */
	readonly shift: Float64Array;
	/** ln((batch variance + epsilon) / (variance + epsilon)) / 2: the log ratio of the standard deviations. */
	readonly spread: Float64Array;
}

/** Epsilon keeps channels small whose variance it rules. */
export function driftOf({ parameters, batch, epsilon }: Omit<DriftSubject, 'images'>): Drift {
	const running = (c: number) => parameters.variance[c] + epsilon;
	return {
		shift: batch.mean.map((mean, c) => (mean - parameters.mean[c]) / Math.sqrt(running(c))),
		spread: batch.variance.map((variance, c) => Math.log((variance + epsilon) / running(c)) / 2),
	};
}

/**
 * One standard error of either, by chance alone. The noise is that of N images, not of N * H * W pixels: pixels of one
 * image are correlated, and an image is the independent sample. One image says nothing about the variance.
 */
export function samplingNoise(images: number): { readonly shift: number; readonly spread: number } {
	return { shift: 1 / Math.sqrt(images), spread: 1 / Math.sqrt(2 * (images - 1)) };
}

/** Whether the running statistics fit the data: {@link driftOf} against so many times the {@link samplingNoise}. */
export function statisticsDrift(subject: DriftSubject, thresholds = DEFAULT_DRIFT_THRESHOLDS): DriftFinding[] {
	const { batch, images } = subject;
	const drift = driftOf(subject);
	const noise = samplingNoise(images);
	const meanLimit = Math.max(thresholds.least, thresholds.standardErrors * noise.shift);
	const spreadLimit = Math.max(thresholds.least, thresholds.standardErrors * noise.spread);
	const channels: number[] = [];
	const worst = { channel: 0, excess: 0, words: '' };
	for (let c = 0; c < batch.mean.length; c++) {
		const shift = Math.abs(drift.shift[c]);
		const spread = Math.abs(drift.spread[c]);
		const excess = Math.max(shift / meanLimit, spread / spreadLimit);
		if (!(excess > 1)) {
			continue;
		}
		channels.push(c);
		if (excess > worst.excess) {
			const byMean = shift / meanLimit >= spread / spreadLimit;
			worst.channel = c;
			worst.excess = excess;
			worst.words = byMean
				? `its mean is off by ${shortNumber(shift)} running standard deviations`
				: `its standard deviation is ${shortNumber(Math.exp(drift.spread[c]))} times the running one`;
		}
	}
	if (channels.length === 0) {
		return [];
	}
	const sample = images === 1 ? 'a single image' : `${images} images`;
	const message = `The running statistics of ${countChannels(channels, batch.mean.length)} do not fit the data, more than ${sample} would explain: in channel ${worst.channel} ${worst.words}.`;
	return [{ code: 'statistics-drift', severity: 'warning', channels, message }];
}
