import { FLOAT_FORMATS, type FloatType } from '../core/numbers/float-formats.js';
import { type MethodData, type MethodSample, takeSample } from './method-sample.js';
import { METHODS, methodSize } from './methods.js';
import { biasedVariance } from './moments.js';
import type { Values } from './spans.js';
import { type CenteredParameters, centeredParameters, type Learned } from './training.js';
import type { Kernel, Layout, StatisticsAxes } from './types.js';

/** The three methods on the batch itself, and stored statistics. */
export type Method = StatisticsAxes | 'running';

export interface MethodQuestion extends MethodData {
	readonly epsilon: number;
	/**
	 * Gamma and beta, length C or C * inner. Without them, a slope and an intercept are fitted to each channel (least
	 * squares) for every method on the batch.
	 */
	readonly learned?: Learned;
	/** y = scale * x + shift with stored statistics, length C or C * inner; without it, 'running' is not asked about. */
	readonly running?: { readonly scale: Float64Array; readonly shift: Float64Array };
}

export interface MethodAnswer {
	/** `none`: no method explains y. */
	readonly verdict: Method | 'none' | 'cannot-tell';
	/** Why it cannot be told: one sentence. */
	readonly reason?: string;
	/** Of each method asked about: deviation of y from it, as a share of y's own standard deviation within channels. */
	readonly residuals: Readonly<Partial<Record<Method, number>>>;
	/** Residual that rounding alone may leave; NaN where there is nothing to measure by. */
	readonly tolerance: number;
	/** Methods whose residual is within the tolerance. */
	readonly fits: readonly Method[];
	/** How many times larger the best other residual is than the verdict's (or than the tolerance, if that is larger). */
	readonly margin?: number;
	/** How many values were judged. */
	readonly values: number;
}

/** Fitting two numbers to fewer values than this a channel explains too much. */
const FEWEST_VALUES = 8;

/** Where nothing is fitted, values of a channel only need a deviation to measure by. */
const FEWEST_LEARNED = 4;

/**
 * Roundings of the runtime's arithmetic (float32, or float64) that a residual may show. Its statistics and its chain of
 * operations stay below 20 (core/batchnorm/bound); two methods differ by 1 / sqrt(m'), thousands of times more.
 */
const ROUNDINGS = 64;

/** Roundings of results to the tensor's own type: one, or a few where every operator of a chain stores its own. */
const STORED_ROUNDINGS = 4;

/** Which normalization turned x into y. */
export function whichMethod(kernel: Kernel, question: MethodQuestion): MethodAnswer {
	const { layout, learned, running, type } = question;
	const sample = takeSample(kernel, question, learned ? FEWEST_LEARNED : FEWEST_VALUES);
	const values = sample.x.length;
	const scale = measureScale(sample);
	if (typeof scale === 'string') {
		const tolerance = Number.NaN;
		return { verdict: 'cannot-tell', reason: scale, residuals: {}, tolerance, fits: [], values };
	}
	const unit = (of: FloatType) => 2 ** -(FLOAT_FORMATS[of].fractionBits + 1);
	const roundings = ROUNDINGS * unit(type === 'float64' ? type : 'float32') + STORED_ROUNDINGS * unit(type);
	const tolerance = roundings * scale.amplification;
	const methods: Method[] = [...METHODS, ...(running ? (['running'] as const) : [])];
	const residuals: Partial<Record<Method, number>> = {};
	const own = learnedAt(sample, learned);
	for (const method of methods) {
		residuals[method] = Math.sqrt(unexplained(sample, question, own, method) / scale.variation);
	}
	const fits = methods.filter((method) => (residuals[method] ?? Number.NaN) <= tolerance);
	const answer = { residuals, tolerance, fits, values };
	const { effectiveBatch } = methodSize(layout, 'channel');
	if (!learned && effectiveBatch < FEWEST_VALUES) {
		const reason = `There are only ${effectiveBatch} values a channel: with gamma and beta unknown, anything fits them.`;
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
	if (layout.inner === 1 && fits.includes('channel') && fits.includes('activation')) {
		return 'Without spatial axes, statistics per channel and per activation are the same.';
	}
	if (!learned && fits.includes('running') && fits.includes('channel')) {
		return 'Gamma and beta are needed to tell running statistics from those of the batch: both are one line per channel.';
	}
	return `On this data ${fits.map((method) => WORDS[method]).join(' and ')} give the same result.`;
}

interface Scale {
	/** Sum of (y - its channel's mean)^2. */
	readonly variation: number;
	/** How many times larger than y's deviations the numbers are that are rounded on the way to it. */
	readonly amplification: number;
}

/** What residuals are measured by, or why there is nothing to measure. */
function measureScale({ x, y, layout, statistics }: MethodSample): Scale | string {
	if (x.length === 0) {
		return 'There are no values.';
	}
	const { channels } = layout;
	let variation = 0;
	let rounded = 0;
	for (let c = 0; c < channels; c++) {
		const before = spreadOf(x, layout, c);
		const after = spreadOf(y, layout, c);
		const gain = before.deviation > 0 ? after.deviation / before.deviation : 0;
		variation += after.deviation;
		rounded += after.square + gain * before.square;
	}
	const finite = Number.isFinite(rounded) && statistics.channel.nonFinite.every((count) => count === 0);
	if (!finite) {
		return 'There are values that are not finite, and what they were normalised with is not known.';
	}
	if (layout.batch * layout.inner === 1) {
		return 'There is only one value a channel: nothing varies in it.';
	}
	if (!(variation > 0)) {
		return 'The output is constant in every channel: any statistics explain it.';
	}
	return { variation, amplification: Math.sqrt(rounded / variation) };
}

/** Sums of (value - mean)^2 and of value^2 of one channel. */
function spreadOf(values: Values, { batch, channels, inner }: Layout, channel: number) {
	let sum = 0;
	let square = 0;
	for (let n = 0; n < batch; n++) {
		const start = (n * channels + channel) * inner;
		for (let i = start; i < start + inner; i++) {
			sum += values[i];
			square += values[i] * values[i];
		}
	}
	const mean = sum / (batch * inner);
	let deviation = 0;
	for (let n = 0; n < batch; n++) {
		const start = (n * channels + channel) * inner;
		for (let i = start; i < start + inner; i++) {
			const d = values[i] - mean;
			deviation += d * d;
		}
	}
	return { deviation, square };
}

/** Sum of (y - what the method makes of x)^2; Infinity where that is not finite. */
function unexplained(sample: MethodSample, question: MethodQuestion, own: Learned, method: Method): number {
	const made = normalize(sample, parametersOf(sample, question, own, method));
	if (!question.learned && method !== 'running') {
		fitLines(made, sample);
	}
	const { y } = sample;
	let total = 0;
	for (let i = 0; i < y.length; i++) {
		// Until it is optimised, which a run of one model hardly takes long enough for, V8 calls a function for `**`.
		const error = y[i] - made[i];
		total += error * error;
	}
	return Number.isFinite(total) ? total : Number.POSITIVE_INFINITY;
}

/** Gamma and beta at the sample's places; where they are not known, those that change nothing. */
function learnedAt({ layout: { channels }, pick }: MethodSample, learned: Learned | undefined): Learned {
	return learned
		? { gamma: pick(learned.gamma), beta: pick(learned.beta) }
		: { gamma: new Float64Array(channels).fill(1), beta: new Float64Array(channels) };
}

/** At the sample's places. */
function parametersOf(sample: MethodSample, { epsilon, running }: MethodQuestion, own: Learned, method: Method) {
	const { layout, statistics, pick } = sample;
	const { channels } = layout;
	if (method === 'running') {
		const scale = running ? pick(running.scale) : new Float64Array(channels);
		const shift = running ? pick(running.shift) : new Float64Array(channels);
		return { scale, shift, center: new Float64Array(scale.length), perActivation: scale.length > channels };
	}
	const moments = statistics[method];
	const used = { mean: moments.mean, variance: biasedVariance(moments) };
	return centeredParameters(used, method, layout, own, epsilon);
}

function normalize({ x, layout }: MethodSample, parameters: CenteredParameters): Float64Array {
	const { batch, channels, inner } = layout;
	const { scale, center, shift, perActivation } = parameters;
	const made = new Float64Array(x.length);
	const step = perActivation ? 1 : 0;
	for (let n = 0, at = 0; n < batch; n++) {
		for (let c = 0; c < channels; c++) {
			for (let i = 0, k = perActivation ? c * inner : c; i < inner; i++, k += step, at++) {
				made[at] = scale[k] * (x[at] - center[k]) + shift[k];
			}
		}
	}
	return made;
}

/** Puts each channel on the line through its points (made, y) with the least squares of errors in y. */
function fitLines(made: Float64Array, { y, layout }: MethodSample): void {
	const { batch, channels, inner } = layout;
	for (let c = 0; c < channels; c++) {
		const forEach = (visit: (at: number) => void) => {
			for (let n = 0; n < batch; n++) {
				const start = (n * channels + c) * inner;
				for (let at = start; at < start + inner; at++) {
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
