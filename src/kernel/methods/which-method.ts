import { FLOAT_FORMATS, type FloatType } from '../../core/numbers/float-formats.js';
import { biasedVariance } from '../../core/numbers/moments.js';
import { failure, type Result, success } from '../../core/result.js';
import type { Values } from '../spans.js';
import type { Kernel, Layout, StatisticsAxes } from '../types.js';
import { type CenteredParameters, centeredParameters, type Learned } from './centered-parameters.js';
import { type MethodData, type MethodSample, takeSample } from './method-sample.js';
import { METHODS, methodSize } from './methods.js';

/** Statistics that a normalization used: the batch's over some axes, or stored (running). */
export type Method = StatisticsAxes | 'running';

export interface MethodQuestion extends MethodData {
	readonly epsilon: number;
	/** Returns the number that epsilon is added to, from the biased variance of the data. Default: that variance. */
	readonly varianceOf?: (biased: number) => number;
	/**
	 * Gamma and beta. If missing, each method on the batch gets a slope and an intercept per channel, fitted by least
	 * squares.
	 */
	readonly learned?: Learned;
	/** y = scale * x + shift with stored statistics, length C or C * planeSize. If missing, 'running' is not tested. */
	readonly running?: { readonly scale: Float64Array; readonly shift: Float64Array };
}

export interface MethodAnswer {
	/** The only method that explains y. `none`: no method does. */
	readonly verdict: Method | 'none' | 'cannot-tell';
	/** Reason of `cannot-tell`, as a sentence. */
	readonly reason?: string;
	/** Per tested method: root mean square of y minus the method's result, relative to y's deviation within channels. */
	readonly residuals: Readonly<Partial<Record<Method, number>>>;
	/** Largest residual that rounding can cause; NaN if y has no deviation to measure by. */
	readonly tolerance: number;
	/** Methods with a residual within the tolerance. */
	readonly fits: readonly Method[];
	/** Best other residual divided by the verdict's residual, or by the tolerance if that is larger. */
	readonly margin?: number;
	/** Number of values judged. */
	readonly values: number;
}

/** Minimum values per channel if gamma and beta are fitted. Two fitted numbers explain fewer values too easily. */
const MIN_FITTED_VALUES = 8;

/** Minimum values per channel for a deviation, without fitting. */
const MIN_LEARNED_VALUES = 4;

/**
 * Roundings of the runtime's arithmetic (float32, or float64) that a residual may show. Its statistics and its chain of
 * operations stay below 20 roundings (core/batchnorm/bound.ts). Two methods differ by 1 / sqrt(m'), thousands of times more.
 */
const ROUNDINGS = 64;

/** Roundings of stored results to the tensor's type: 1, or a few if every operator of a chain stores its result. */
const STORED_ROUNDINGS = 4;

/** Returns the method that turned x into y. */
export function whichMethod(kernel: Kernel, question: MethodQuestion): MethodAnswer {
	const { layout, learned, running, dtype } = question;
	const sample = takeSample(kernel, question, learned ? MIN_LEARNED_VALUES : MIN_FITTED_VALUES);
	const values = sample.x.length;
	const measured = measureScale(sample);
	if (!measured.ok) {
		const { reason } = measured;
		return { verdict: 'cannot-tell', reason, residuals: {}, tolerance: Number.NaN, fits: [], values };
	}
	const scale = measured.value;
	const unit = (of: FloatType) => 2 ** -(FLOAT_FORMATS[of].fractionBits + 1);
	const roundings = ROUNDINGS * unit(dtype === 'float64' ? dtype : 'float32') + STORED_ROUNDINGS * unit(dtype);
	const tolerance = roundings * scale.amplification;
	const methods: Method[] = [...METHODS, ...(running ? (['running'] as const) : [])];
	const residuals: Partial<Record<Method, number>> = {};
	const sampled = learnedAt(sample, learned);
	for (const method of methods) {
		residuals[method] = Math.sqrt(squaredErrors(sample, question, sampled, method) / scale.variation);
	}
	const fits = methods.filter((method) => (residuals[method] ?? Number.NaN) <= tolerance);
	const answer = { residuals, tolerance, fits, values };
	const { count } = methodSize(layout, 'channel');
	if (!learned && count < MIN_FITTED_VALUES) {
		const reason = `There are only ${count} values a channel, and any method fits them while gamma and beta are unknown.`;
		return { ...answer, verdict: 'cannot-tell', reason };
	}
	if (fits.length > 1) {
		return { ...answer, verdict: 'cannot-tell', reason: whyAlike(fits, question) };
	}
	const [verdict] = fits;
	if (verdict === undefined) {
		return { ...answer, verdict: 'none' };
	}
	const others = methods.filter((method) => method !== verdict).map((method) => residuals[method] ?? Number.NaN);
	return { ...answer, verdict, margin: Math.min(...others) / Math.max(tolerance, residuals[verdict] ?? 0) };
}

const WORDS: Readonly<Record<Method, string>> = {
	location: 'statistics per location',
	activation: 'statistics per activation',
	channel: 'statistics per channel',
	running: 'running statistics',
};

function whyAlike(fits: readonly Method[], { layout, learned }: MethodQuestion): string {
	if (layout.planeSize === 1 && fits.includes('channel') && fits.includes('activation')) {
		return 'Without spatial axes, statistics per channel and per activation are the same.';
	}
	if (!learned && fits.includes('running') && fits.includes('channel')) {
		return 'Gamma and beta are needed to distinguish running statistics from those of the batch: both give one line per channel.';
	}
	return `On this data ${fits.map((method) => WORDS[method]).join(' and ')} give the same result.`;
}

interface Scale {
	/** Sum of (y - mean of its channel)^2. */
	readonly variation: number;
	/** Root mean square of the rounded intermediate values over that of y's deviations. */
	readonly amplification: number;
}

/** Returns the unit of residuals, the scale of y, or a sentence why there is none. */
function measureScale({ x, y, layout, statistics }: MethodSample): Result<Scale> {
	if (x.length === 0) {
		return failure('There are no values.');
	}
	const { channels } = layout;
	let variation = 0;
	let rounded = 0;
	for (let c = 0; c < channels; c++) {
		const before = sumsOf(x, layout, c);
		const after = sumsOf(y, layout, c);
		const gain = before.deviation > 0 ? after.deviation / before.deviation : 0;
		variation += after.deviation;
		rounded += after.square + gain * before.square;
	}
	const finite = Number.isFinite(rounded) && statistics.channel.nonFinite.every((count) => count === 0);
	if (!finite) {
		return failure('Some values are not finite, so the statistics that normalized them are unknown.');
	}
	if (layout.batch * layout.planeSize === 1) {
		return failure('There is only one value a channel, so its deviation is 0.');
	}
	if (!(variation > 0)) {
		return failure('The output is constant in every channel, so any statistics explain it.');
	}
	return success({ variation, amplification: Math.sqrt(rounded / variation) });
}

/** Sums of (value - mean)^2 and of value^2 over a channel. */
function sumsOf(values: Values, { batch, channels, planeSize }: Layout, channel: number) {
	let sum = 0;
	let square = 0;
	for (let n = 0; n < batch; n++) {
		const start = (n * channels + channel) * planeSize;
		for (let i = start; i < start + planeSize; i++) {
			sum += values[i];
			square += values[i] * values[i];
		}
	}
	const mean = sum / (batch * planeSize);
	let deviation = 0;
	for (let n = 0; n < batch; n++) {
		const start = (n * channels + channel) * planeSize;
		for (let i = start; i < start + planeSize; i++) {
			const d = values[i] - mean;
			deviation += d * d;
		}
	}
	return { deviation, square };
}

/** Sum of (y - the method's result)^2, or Infinity. */
function squaredErrors(sample: MethodSample, question: MethodQuestion, learned: Learned, method: Method): number {
	const expected = normalize(sample, parametersOf(sample, question, learned, method));
	if (!question.learned && method !== 'running') {
		fitLines(expected, sample);
	}
	const { y } = sample;
	let total = 0;
	for (let i = 0; i < y.length; i++) {
		// Avoids `**`, which V8 computes in a function call until it optimizes the loop. A run of one model rarely gets
		// there.
		const error = y[i] - expected[i];
		total += error * error;
	}
	return Number.isFinite(total) ? total : Number.POSITIVE_INFINITY;
}

/** Gamma and beta at the sample's positions; 1 and 0 if unknown. */
function learnedAt({ layout: { channels }, pick }: MethodSample, learned: Learned | undefined): Learned {
	return learned
		? { gamma: pick(learned.gamma), beta: pick(learned.beta) }
		: { gamma: new Float64Array(channels).fill(1), beta: new Float64Array(channels) };
}

/** Parameters of a method at the sample's channels and positions. */
function parametersOf(sample: MethodSample, question: MethodQuestion, learned: Learned, method: Method) {
	const { epsilon, running, varianceOf } = question;
	const { layout, statistics, pick } = sample;
	const { channels } = layout;
	if (method === 'running') {
		const scale = running ? pick(running.scale) : new Float64Array(channels);
		const shift = running ? pick(running.shift) : new Float64Array(channels);
		return { scale, shift, center: new Float64Array(scale.length), perActivation: scale.length > channels };
	}
	const moments = statistics[method];
	const biased = biasedVariance(moments);
	const used = { mean: moments.mean, variance: varianceOf ? biased.map(varianceOf) : biased };
	return centeredParameters({ statistics: used, axes: method, layout, learned, epsilon });
}

function normalize({ x, layout }: MethodSample, parameters: CenteredParameters): Float64Array {
	const { batch, channels, planeSize } = layout;
	const { scale, center, shift, perActivation } = parameters;
	const made = new Float64Array(x.length);
	const step = perActivation ? 1 : 0;
	for (let n = 0, at = 0; n < batch; n++) {
		for (let c = 0; c < channels; c++) {
			for (let i = 0, k = perActivation ? c * planeSize : c; i < planeSize; i++, k += step, at++) {
				made[at] = scale[k] * (x[at] - center[k]) + shift[k];
			}
		}
	}
	return made;
}

/** Replaces each channel of `made` by its linear fit to y. */
function fitLines(made: Float64Array, { y, layout }: MethodSample): void {
	const { batch, channels, planeSize } = layout;
	for (let c = 0; c < channels; c++) {
		const forEach = (visit: (at: number) => void) => {
			for (let n = 0; n < batch; n++) {
				const start = (n * channels + c) * planeSize;
				for (let at = start; at < start + planeSize; at++) {
					visit(at);
				}
			}
		};
		let meanX = 0;
		let meanY = 0;
		let count = 0;
		forEach((at) => {
			count++;
			meanX += (made[at] - meanX) / count;
			meanY += (y[at] - meanY) / count;
		});
		let covariance = 0;
		let variance = 0;
		forEach((at) => {
			covariance += (made[at] - meanX) * (y[at] - meanY);
			variance += (made[at] - meanX) ** 2;
		});
		const slope = variance > 0 ? covariance / variance : 0;
		forEach((at) => {
			made[at] = meanY + slope * (made[at] - meanX);
		});
	}
}
