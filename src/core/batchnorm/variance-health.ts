import { indicesWhere } from '../numbers/arrays.js';
import { FLOAT_FORMATS, isFloatType } from '../numbers/float-formats.js';
import type { Finding, LayerParameters } from '../report/types.js';
import { float32Number, shortNumber } from '../text/numbers.js';
import { countChannels, joinWords } from '../text/sentences.js';
import type { Affine } from './affine.js';

/** Parameters of a layer and their linear map. Arrays by channel. */
export interface ScaleSubject extends LayerParameters, Affine {
	readonly epsilon: number;
	readonly mode: 'inference' | 'training';
	/** Element type of the data. Runtimes compute half types in float32. */
	readonly dtype: string;
	/** A positive variance below this multiple of epsilon is reported. */
	readonly epsilonRatio: number;
}

/** Maximum share of the scale that rounding epsilon to float32 may change without a remark. */
const MAX_EPSILON_ROUNDING = 1e-4;

/**
 * Returns findings about variance, epsilon and the scale. Rounds variance + epsilon as the runtime does. A float64
 * epsilon of 1e-5 and a float32 variance of -1e-5 cancel, although their float64 sum is 3e-13.
 * @param sharedStatistics name of the tensor that the file uses as both mean and variance
 */
export function varianceFindings(layer: ScaleSubject, sharedStatistics?: string): Finding[] {
	if (!Number.isFinite(layer.epsilon)) {
		return [];
	}
	const round = layer.dtype === 'float64' ? (value: number) => value : Math.fround;
	const sums = layer.variance.map((value) => round(round(value) + round(layer.epsilon)));
	return [
		...impossible(layer, sums),
		...negative(layer, sums),
		...zero(layer, sharedStatistics),
		...dominated(layer, round),
		...beyondRange(layer, sums),
	];
}

/** Smallest value among some channels, in words. */
function least(values: Float64Array, channels: readonly number[]): string {
	return shortNumber(channels.reduce((least, channel) => Math.min(least, values[channel]), Number.POSITIVE_INFINITY));
}

/** A sum of 0 has no inverse, a negative sum no root. */
function impossible({ variance, gamma, epsilon, mode }: ScaleSubject, sums: Float64Array): Finding[] {
	const channels = indicesWhere(sums, (sum) => sum <= 0);
	if (channels.length === 0) {
		return [];
	}
	const total = variance.length;
	const cancelled = channels.filter((channel) => sums[channel] === 0);
	const below = channels.filter((channel) => sums[channel] < 0);
	const scale = cancelled.every((channel) => gamma[channel] !== 0) ? 'infinite' : 'infinite or NaN';
	const parts = [
		...(cancelled.length > 0 ? [`0 in ${countChannels(cancelled, total)} (the scale is ${scale})`] : []),
		...(below.length > 0
			? [`negative in ${countChannels(below, total)} (down to ${least(sums, below)}: the scale is NaN)`]
			: []),
	];
	const effect =
		mode === 'training'
			? 'an export in inference mode outputs no numbers there'
			: 'the layer outputs no numbers there, only NaN or infinity';
	const message = `Variance + epsilon is ${joinWords(parts)}: ${effect}.${explainSum(variance, channels, epsilon)}`;
	const kind = channels.some((channel) => variance[channel] < 0)
		? ({ code: 'negative-variance' } as const)
		: channels.some((channel) => variance[channel] === 0)
			? ({ code: 'zero-variance' } as const)
			: NEGATIVE_EPSILON;
	return [{ ...kind, severity: mode === 'training' ? 'warning' : 'error', channels, message }];
}

/** Kind of a finding whose only reason is epsilon. */
const NEGATIVE_EPSILON = { code: 'epsilon-dominated', meaning: 'negative-epsilon' } as const;

function explainSum(variance: Float64Array, channels: readonly number[], epsilon: number): string {
	const words = float32Number(epsilon);
	if (epsilon < 0) {
		return ` Epsilon is negative (${words}); it should keep variances from 0.`;
	}
	if (epsilon > 0 && channels.every((channel) => Math.fround(variance[channel]) === -Math.fround(epsilon))) {
		return ` The variance is exactly -epsilon (-${words}), as if epsilon had been subtracted from 0.`;
	}
	return epsilon === 0
		? ' Epsilon is 0.'
		: ` The variance is down to ${least(variance, channels)}, and epsilon is ${words}.`;
}

/** Negative variances that epsilon makes positive, and small variances because of a negative epsilon. */
function negative({ variance, scale, epsilon }: ScaleSubject, sums: Float64Array): Finding[] {
	const channels = indicesWhere(variance, (value, channel) => sums[channel] > 0 && (value < 0 || value < -2 * epsilon));
	if (channels.length === 0) {
		return [];
	}
	const smallest = channels.reduce((least, channel) => Math.min(least, sums[channel]), Number.POSITIVE_INFINITY);
	const largest = channels.reduce((most, channel) => Math.max(most, Math.abs(scale[channel])), 0);
	// The derivative of 1 / sqrt(v + epsilon) by epsilon, relative.
	const moved = (FLOAT_FORMATS.float32.unitRoundoff * Math.abs(epsilon)) / (2 * smallest);
	const digits =
		moved > MAX_EPSILON_ROUNDING
			? `; the last digits of epsilon decide it: rounding epsilon to float32 alone moves it by up to ${shortNumber(100 * moved)} %`
			: '';
	const isNegative = channels.some((channel) => variance[channel] < 0);
	const place = countChannels(channels, variance.length);
	const cause = isNegative
		? `The running variance of ${place} is negative (down to ${least(variance, channels)}), which no data has.`
		: `Epsilon is negative (${float32Number(epsilon)}) and takes away most of the running variance of ${place}.`;
	const message = `${cause} Variance + epsilon is down to ${shortNumber(smallest)}, so the scale reaches ${shortNumber(largest)}${digits}.`;
	const kind = isNegative ? ({ code: 'negative-variance' } as const) : NEGATIVE_EPSILON;
	return [{ ...kind, severity: 'warning', channels, message }];
}

function zero({ variance, mean, epsilon }: ScaleSubject, shared: string | undefined): Finding[] {
	const channels = epsilon > 0 ? indicesWhere(variance, (value) => value === 0) : [];
	if (channels.length === 0) {
		return [];
	}
	const place = countChannels(channels, variance.length);
	const eps = float32Number(epsilon);
	if (channels.length === variance.length && variance.length > 1 && mean.every((value) => value === 0)) {
		const tensor = shared === undefined ? '' : ` Mean and variance are one shared tensor, "${shared}".`;
		const message = `Running mean and running variance of ${place} are exactly 0, which no training leaves: the statistics are missing, and epsilon ${eps} alone sets the scale.${tensor}`;
		return [{ code: 'zero-variance', meaning: 'statistics-missing', severity: 'warning', channels, message }];
	}
	const message = `The running variance of ${place} is exactly 0: the channel was constant in training, and epsilon ${eps} alone sets its scale.`;
	return [{ code: 'zero-variance', severity: 'warning', channels, message }];
}

function dominated({ variance, epsilon, epsilonRatio }: ScaleSubject, round: (value: number) => number): Finding[] {
	const channels = indicesWhere(variance, (value) => value > 0 && round(value) < epsilonRatio * round(epsilon));
	if (channels.length === 0) {
		return [];
	}
	const message = `The running variance of ${countChannels(channels, variance.length)} is below epsilon ${float32Number(epsilon)} (down to ${least(variance, channels)}): epsilon, not the data, sets the scale.`;
	return [{ code: 'epsilon-dominated', severity: 'info', channels, message }];
}

/** Scales and shifts that are finite in float64 and infinite in the type that the runtime computes in. */
function beyondRange({ scale, shift, dtype, mode }: ScaleSubject, sums: Float64Array): Finding[] {
	const type = isFloatType(dtype) && dtype === 'float64' ? 'float64' : 'float32';
	const { max } = FLOAT_FORMATS[type];
	const exceeds = (value: number) => Number.isFinite(value) && Math.abs(value) > max;
	const channels = indicesWhere(
		scale,
		(value, channel) => sums[channel] > 0 && (exceeds(value) || exceeds(shift[channel])),
	);
	if (channels.length === 0) {
		return [];
	}
	const largest = channels.reduce((most, c) => Math.max(most, Math.abs(scale[c]), Math.abs(shift[c])), 0);
	const message = `Scale or shift of ${countChannels(channels, scale.length)} is up to ${shortNumber(largest)}, beyond the largest ${type} number (${shortNumber(max)}): the runtime computes infinity or NaN there.`;
	const severity = mode === 'training' ? 'warning' : 'error';
	return [{ code: 'exploding-scale', meaning: 'beyond-range', severity, channels, message }];
}
