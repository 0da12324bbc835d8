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

/**
 * Whether the running statistics fit the data: per channel
 *
 *     abs(batch mean - mean) / sqrt(variance + epsilon)                      against standardErrors / sqrt(N)
 *     abs(ln((batch variance + epsilon) / (variance + epsilon))) / 2         against standardErrors / sqrt(2 (N - 1))
 *
 * The noise is that of N images, not of N * H * W pixels: pixels of one image are correlated, and an image is the
 * independent sample. One image says nothing about the variance. Epsilon keeps channels out whose variance it rules.
 */
export function statisticsDrift(subject: DriftSubject, thresholds = DEFAULT_DRIFT_THRESHOLDS): DriftFinding[] {
	const { parameters, batch, epsilon, images } = subject;
	const meanLimit = Math.max(thresholds.least, thresholds.standardErrors / Math.sqrt(images));
	const spreadLimit = Math.max(thresholds.least, thresholds.standardErrors / Math.sqrt(2 * (images - 1)));
	const channels: number[] = [];
	const worst = { channel: 0, excess: 0, words: '' };
	for (let c = 0; c < batch.mean.length; c++) {
		const deviation = Math.sqrt(parameters.variance[c] + epsilon);
		const shift = Math.abs(batch.mean[c] - parameters.mean[c]) / deviation;
		const ratio = Math.sqrt((batch.variance[c] + epsilon) / (parameters.variance[c] + epsilon));
		const spread = Math.abs(Math.log(ratio));
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
				: `its standard deviation is ${shortNumber(ratio)} times the running one`;
		}
	}
	if (channels.length === 0) {
		return [];
	}
	const sample = images === 1 ? 'a single image' : `${images} images`;
	const message = `The running statistics of ${countChannels(channels, batch.mean.length)} do not fit the data, more than ${sample} would explain: in channel ${worst.channel} ${worst.words}.`;
	return [{ code: 'statistics-drift', severity: 'warning', channels, message }];
}
