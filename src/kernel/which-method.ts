import { FORMATS } from './formats.js';
import { METHODS, methodSize } from './methods.js';
import { biasedVariance } from './moments.js';
import { matrixOf, readSpan, spansOf } from './spans.js';
import { centeredParameters, type RunningStatistics } from './training.js';
import type { FloatData, FloatType, Kernel, Layout, Moments, StatisticsAxes } from './types.js';

/** The three methods on the batch itself, and stored statistics. */
export type Method = StatisticsAxes | 'running';

export interface MethodQuestion {
	/** Before and after the normalization. */
	readonly x: FloatData;
	readonly y: FloatData;
	readonly type: FloatType;
	readonly layout: Layout;
	readonly epsilon: number;
	/** Shape (C) each; without them, each channel's are fitted (least squares) for every method. */
	readonly learned?: { readonly gamma: Float64Array; readonly beta: Float64Array };
	/** Shape (C) each; without them, 'running' is not asked about. */
	readonly running?: RunningStatistics;
}

export interface MethodAnswer {
	/** `none`: no method explains y. */
	readonly verdict: Method | 'none' | 'cannot-tell';
	/** Why it cannot be told: one sentence. */
	readonly reason?: string;
	/** Of each method asked about: deviation of y from it, as a share of y's own standard deviation. */
	readonly residuals: Readonly<Partial<Record<Method, number>>>;
	/** Residual that rounding alone may leave. */
	readonly tolerance: number;
	/** Methods whose residual is within the tolerance. */
	readonly fits: readonly Method[];
	/** How many times larger the best other residual is than the verdict's (or than the tolerance, if that is larger). */
	readonly margin?: number;
}

/** Fitting two numbers to fewer values than this a channel explains too much. */
const FEWEST_VALUES = 8;

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
	const scale = measureScale(kernel, question);
	if (typeof scale === 'string') {
		return { verdict: 'cannot-tell', reason: scale, residuals: {}, tolerance: Number.NaN, fits: [] };
	}
	const unit = (of: FloatType) => 2 ** -(FORMATS[of].fractionBits + 1);
	const roundings = ROUNDINGS * unit(type === 'float64' ? type : 'float32') + STORED_ROUNDINGS * unit(type);
	const tolerance = roundings * scale.amplification;
	const methods: Method[] = [...METHODS, ...(running ? (['running'] as const) : [])];
	const residuals: Partial<Record<Method, number>> = {};
	for (const method of methods) {
		residuals[method] = Math.sqrt(unexplained(kernel, question, method) / scale.variation);
	}
	const fits = methods.filter((method) => (residuals[method] ?? Number.NaN) <= tolerance);
	const answer = { residuals, tolerance, fits };
	if (!learned && methodSize(layout, 'channel').effectiveBatch < FEWEST_VALUES) {
		const values = methodSize(layout, 'channel').effectiveBatch;
		const reason = `There are only ${values} values a channel: with gamma and beta unknown, anything fits them.`;
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

function whyAlike(fits: readonly Method[], { layout, learned }: MethodQuestion): string {
	if (layout.inner === 1 && fits.includes('channel') && fits.includes('activation')) {
		return 'Without spatial axes, statistics per channel and per activation are the same.';
	}
	if (!learned && fits.includes('running') && fits.includes('channel')) {
		return 'Gamma and beta are needed to tell running statistics from those of the batch: both are one line per channel.';
	}
	return `On this data ${fits.join(' and ')} statistics give the same result.`;
}

interface Scale {
	/** Sum of (y - its channel's mean)^2. */
	readonly variation: number;
	/** How many times larger than y's deviations the numbers are that are rounded on the way to it. */
	readonly amplification: number;
}

/** What residuals are measured by, or why there is nothing to measure. */
function measureScale(kernel: Kernel, { x, y, type, layout }: MethodQuestion): Scale | string {
	const before = kernel.moments(x, type, layout);
	const after = kernel.moments(y, type, layout);
	if ([before, after].some(({ nonFinite }) => nonFinite.some((count) => count > 0))) {
		return 'There are values that are not finite, and what they were normalised with is not known.';
	}
	const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);
	const variation = sum(after.m2);
	if (!(variation > 0)) {
		return 'The output is constant in every channel: any statistics explain it.';
	}
	const square = ({ m2, mean, count }: Moments, c: number) => m2[c] + count[c] * mean[c] ** 2;
	const rounded = after.m2.map((m2, c) => {
		const gain = before.m2[c] > 0 ? m2 / before.m2[c] : 0;
		return square(after, c) + gain * square(before, c);
	});
	return { variation, amplification: Math.sqrt(sum(rounded) / variation) };
}

/** Sum of (y - what the method makes of x)^2; Infinity where that is not finite. */
function unexplained(kernel: Kernel, question: MethodQuestion, method: Method): number {
	const { y, type, layout, learned } = question;
	const made = normalize(kernel, question, method);
	let total = 0;
	for (let c = 0; c < layout.channels; c++) {
		const { slope, intercept } = learned ? IDENTITY : fitLine(made, y, type, layout, c);
		forEachValue(y, type, layout, c, (value, position) => {
			total += (value - (slope * made[position] + intercept)) ** 2;
		});
	}
	return Number.isFinite(total) ? total : Number.POSITIVE_INFINITY;
}

/** x normalised by the method, with gamma and beta where they are known and without where not. */
function normalize(kernel: Kernel, question: MethodQuestion, method: Method): Float32Array | Float64Array {
	const { x, type, layout, epsilon, running, learned } = question;
	const axes = method === 'running' ? 'channel' : method;
	const ones = new Float64Array(layout.channels).fill(1);
	const { gamma, beta } = learned ?? { gamma: ones, beta: new Float64Array(layout.channels) };
	const out = type === 'float64' ? new Float64Array(x.length) : new Float32Array(x.length);
	let statistics = running;
	if (method !== 'running' || !statistics) {
		const moments = kernel.moments(x, type, layout, axes);
		statistics = { mean: moments.mean, variance: biasedVariance(moments) };
	}
	kernel.apply({ x, type, layout, out, ...centeredParameters(statistics, axes, layout, { gamma, beta }, epsilon) });
	return out;
}

interface Line {
	readonly slope: number;
	readonly intercept: number;
}

const IDENTITY: Line = { slope: 1, intercept: 0 };

/** The line through a channel's points (normalised x, y) with the least squares of errors in y. */
function fitLine(
	normalized: Float32Array | Float64Array,
	y: FloatData,
	type: FloatType,
	layout: Layout,
	channel: number,
): Line {
	let meanX = 0;
	let meanY = 0;
	let count = 0;
	forEachValue(y, type, layout, channel, (value, position) => {
		count++;
		meanX += (normalized[position] - meanX) / count;
		meanY += (value - meanY) / count;
	});
	let covariance = 0;
	let variance = 0;
	forEachValue(y, type, layout, channel, (value, position) => {
		covariance += (normalized[position] - meanX) * (value - meanY);
		variance += (normalized[position] - meanX) ** 2;
	});
	const slope = variance > 0 ? covariance / variance : 0;
	return { slope, intercept: meanY - slope * meanX };
}

function forEachValue(
	y: FloatData,
	type: FloatType,
	layout: Layout,
	channel: number,
	visit: (value: number, position: number) => void,
): void {
	for (const span of spansOf(matrixOf(layout, 'channel'), channel)) {
		const { values, at } = readSpan(y, type, span);
		for (let k = 0; k < span.length; k++) {
			visit(values[at.start + k * at.stride], span.start + k * span.stride);
		}
	}
}
