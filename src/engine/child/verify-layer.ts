import { batchMean } from '../../core/batchnorm/data-health.js';
import type { BatchStatistics, Recompute } from '../../core/report/types.js';
import { biasedVariance, mergeMoments } from '../../kernel/moments.js';
import type { FloatData, Kernel, VerifyResult } from '../../kernel/types.js';
import type { PreparedLayer } from './prepare-layer.js';
import type { RuntimeTensor } from './runtime.js';

/** Compares the runtime's output with ours; a sentence where there is nothing of the right type and size to compare. */
export function verifyLayer(
	{ x, type, layout, scale, shift, bound, perActivation }: PreparedLayer,
	y: RuntimeTensor | undefined,
	kernel: Kernel,
): VerifyResult | { readonly mismatch: string } {
	if (y === undefined || y.type !== type || y.data.length !== x.length) {
		const got = y === undefined ? 'no output' : `an output of type ${y.type} with ${y.data.length} values`;
		return { mismatch: `The runtime returned ${got}; ${x.length} values of ${type} are expected.` };
	}
	return kernel.verify({
		x,
		y: y.data as FloatData,
		type,
		layout,
		scale,
		shift,
		perActivation,
		boundSlope: bound.slope,
		boundOffset: bound.offset,
	});
}

/** What two runs of one layer come to together: the worst of errors and bounds, and the moments of both. */
export function mergeResults(a: VerifyResult, b: VerifyResult): VerifyResult {
	const worse = (one: Float64Array, other: Float64Array) => one.map((value, c) => Math.max(value, other[c]));
	const sum = (one: Float64Array, other: Float64Array) => one.map((value, c) => value + other[c]);
	const moments = mergeMoments([a.moments, b.moments]);
	return {
		maxAbs: worse(a.maxAbs, b.maxAbs),
		maxBoundRatio: worse(a.maxBoundRatio, b.maxBoundRatio),
		bound: worse(a.bound, b.bound),
		sumSquares: sum(a.sumSquares, b.sumSquares),
		maxUlp: Math.max(a.maxUlp, b.maxUlp),
		maxRel: Math.max(a.maxRel, b.maxRel),
		// Counted on from the first run's values.
		firstBad: a.firstBad.map((index, c) => (index >= 0 || b.firstBad[c] < 0 ? index : a.count + b.firstBad[c])),
		nonFiniteX: moments.nonFinite,
		nonFiniteY: sum(a.nonFiniteY, b.nonFiniteY),
		count: a.count + b.count,
		moments,
		mean: moments.mean,
		m2: moments.m2,
	};
}

/** The verdict with its numbers. */
export function judge(result: VerifyResult): Recompute {
	const bad = badChannels(result.maxBoundRatio);
	const largest = (values: Float64Array): number =>
		values.reduce((max, value) => (value > max || Number.isNaN(value) ? value : max), 0);
	return {
		status: bad.length === 0 ? 'match' : 'mismatch',
		...(bad.length === 0 ? {} : { reason: describeMismatch(result, bad) }),
		maxAbs: largest(result.maxAbs),
		maxRel: result.maxRel,
		maxUlp: result.maxUlp,
		bound: largest(result.bound),
		perChannel: { maxAbs: result.maxAbs, bound: result.bound, boundRatio: result.maxBoundRatio },
	};
}

/** Channels with an element beyond its bound; written so that NaN counts. */
export function badChannels(boundRatio: Float64Array): number[] {
	return [...boundRatio.keys()].filter((c) => !(boundRatio[c] <= 1));
}

function describeMismatch(result: VerifyResult, bad: readonly number[]): string {
	const worst = bad.reduce((a, b) => (result.maxBoundRatio[b] > result.maxBoundRatio[a] ? b : a));
	const times = result.maxBoundRatio[worst];
	const excess = Number.isFinite(times)
		? `${times.toPrecision(3)} times the rounding error that the operation allows`
		: "where the exact result is finite and the runtime's is not";
	return `The runtime's output differs from the exact result in ${bad.length} of ${result.maxAbs.length} channels; worst in channel ${worst}: ${result.maxAbs[worst].toPrecision(3)}, ${excess}.`;
}

/** @param images N, over all runs */
export function batchStatistics(
	{ count, moments }: Pick<VerifyResult, 'count' | 'moments'>,
	images: number,
): BatchStatistics {
	const { nonFinite } = moments;
	return {
		count,
		images,
		mean: batchMean(moments),
		variance: biasedVariance(moments),
		...(nonFinite.some((left) => left > 0) && { nonFinite }),
	};
}
