import { count } from '../text/sentences.js';
import { encodeObject, type JsonObject } from './json.js';
import type { RepairCheck } from './repair-result.js';
import type { StatisticsMode, StatisticsReport } from './statistics.js';
import type { RunInput } from './types.js';

export const REESTIMATION_FORMAT = 'batchnorm-lens.reestimation';
export const REESTIMATION_VERSION = 1;

/** Running statistics of a layer; arrays of shape (channels), or with a value per activation. */
export interface RunningStatistics {
	readonly mean: Float64Array;
	readonly variance: Float64Array;
}

/** Change of a layer's running statistics. */
export interface ReestimatedLayer {
	readonly name: string;
	readonly channels: number;
	/** Values behind each new statistic. */
	readonly count: number;
	readonly before: RunningStatistics;
	/** Rounded to the type in the file if it was written. */
	readonly after: RunningStatistics;
	/** Largest |new mean - old mean| / sqrt(old variance + epsilon), with its channel. */
	readonly largestShift: number;
	readonly shiftChannel: number;
	/** Smallest and largest (new variance + epsilon) / (old variance + epsilon). */
	readonly varianceRatio: { readonly min: number; readonly max: number };
}

/** A layer that keeps its statistics. */
export interface KeptLayer {
	readonly name: string;
	/** Clause that completes "not re-estimated: …". */
	readonly reason: string;
}

/** Statistics that were computed from data, and the model that they were written into. */
export interface ReestimationResult {
	readonly format: typeof REESTIMATION_FORMAT;
	readonly version: typeof REESTIMATION_VERSION;
	/** The model that was read. */
	readonly model: string;
	/** The written file; null with statistics only. */
	readonly written: { readonly path: string; readonly bytes: number } | null;
	readonly mode: StatisticsMode;
	/** Samples of a batch; null for statistics from files, which may have different batches. */
	readonly batch: number | null;
	readonly batches: number;
	readonly samples: number | null;
	readonly inputs: readonly RunInput[];
	readonly layers: readonly ReestimatedLayer[];
	readonly kept: readonly KeptLayer[];
	/** Number of operators that were switched from training to inference. */
	readonly switched: number;
	/** Sentences about the result. */
	readonly notes: readonly string[];
	readonly check: RepairCheck;
	readonly statistics: StatisticsReport;
}

/** Encodes a result as plain JSON, without the statistics that make a document of their own. */
export function encodeReestimation({ statistics: _, ...result }: ReestimationResult): JsonObject {
	return encodeObject(result);
}

/** Returns the change of a layer's statistics. */
export function statisticsChange(
	before: RunningStatistics,
	after: RunningStatistics,
	epsilon: number,
): Pick<ReestimatedLayer, 'largestShift' | 'shiftChannel' | 'varianceRatio'> {
	let largestShift = 0;
	let shiftChannel = 0;
	let min = Number.POSITIVE_INFINITY;
	let max = Number.NEGATIVE_INFINITY;
	for (const [c, mean] of after.mean.entries()) {
		const old = before.variance[c] + epsilon;
		const shift = Math.abs(mean - before.mean[c]) / Math.sqrt(old);
		if (!(shift <= largestShift)) {
			[largestShift, shiftChannel] = [shift, c];
		}
		const ratio = (after.variance[c] + epsilon) / old;
		[min, max] = [Math.min(min, ratio), Math.max(max, ratio)];
	}
	return { largestShift, shiftChannel, varianceRatio: { min, max } };
}

/** Returns the data behind new statistics, and the way in which they were computed, as a sentence. */
export function dataOfStatistics({
	mode,
	samples,
	batch,
	batches,
}: Pick<ReestimationResult, 'mode' | 'samples' | 'batch' | 'batches'>): string {
	const data = samples === null ? count(batches, 'batch').replace(/hs$/, 'hes') : count(samples, 'sample');
	if (mode === 'sequential') {
		return `Statistics of ${data}, layer by layer, behind layers corrected before.`;
	}
	const most = samples !== null && batch !== null && samples % batch > 0 ? 'at most ' : '';
	const of = batch === null ? '' : `, in ${batches === 1 ? '1 batch' : `${batches} batches`} of ${most}${batch}`;
	return `Statistics of ${data}${of}: means and unbiased variances of the batches, weighted by their counts.`;
}
