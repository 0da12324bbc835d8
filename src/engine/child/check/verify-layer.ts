import { batchMean } from '../../../core/batchnorm/data-health.js';
import type { BatchStatistics, Recompute } from '../../../core/report/types.js';
import { biasedVariance, mergeMoments } from '../../../kernel/moments.js';
import type { FloatData, Kernel, VerifyResult } from '../../../kernel/types.js';
import type { RuntimeTensor } from '../tensors/tensor.js';
import type { PreparedLayer } from './prepare-layer.js';

/** Compares the runtime's output with ours; a sentence where there is nothing of the right type and size to compare. */
export function verifyLayer(
	{ x, type, layout, scale, shift, likely, bound, perActivation }: PreparedLayer,
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
		likely,
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
		asPredicted: a.asPredicted && b.asPredicted,
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
	return {
		status: bad.length === 0 ? 'match' : 'mismatch',
		...(bad.length === 0 ? {} : { reason: describeMismatch(result, bad) }),
		maxAbs: largest(result.maxAbs),
		maxRel: result.maxRel,
		maxUlp: result.maxUlp,
		...(result.asPredicted && { bitExact: true }),
		bound: largest(result.bound),
		perChannel: { maxAbs: result.maxAbs, bound: result.bound, boundRatio: result.maxBoundRatio },
	};
}

/** Channels with an element beyond its bound; written so that NaN counts. */
export function badChannels(boundRatio: Float64Array): number[] {
	const bad: number[] = [];
	for (let c = 0; c < boundRatio.length; c++) {
		if (!(boundRatio[c] <= 1)) {
			bad.push(c);
		}
	}
	return bad;
}

/** NaN where there is one. Loops, here and above: a model has layers for milliseconds only, and callbacks start slow. */
function largest(values: Float64Array): number {
	let most = 0;
	for (let c = 0; c < values.length; c++) {
		if (Number.isNaN(values[c])) {
			return Number.NaN;
		}
		most = Math.max(most, values[c]);
	}
	return most;
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
