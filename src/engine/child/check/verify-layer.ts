import { batchMean } from '../../../core/batchnorm/data-health.js';
import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import { biasedVariance, mergeMoments } from '../../../core/numbers/moments.js';
import type {
	BatchStatistics,
	DifferingRecompute,
	MatchingRecompute,
	SkippedRecompute,
} from '../../../core/report/types.js';
import { failure, type Result, success } from '../../../core/result.js';
import { countChannels } from '../../../core/text/sentences.js';
import type { FloatData, Kernel, VerifyResult } from '../../../kernel/types.js';
import type { RuntimeTensor } from '../tensors/tensor.js';
import { permute } from './permute.js';
import { joinRows } from './prepare-handbuilt.js';
import type { PreparedLayer } from './prepared-layer.js';

/**
 * Compares the runtime's output with the exact result.
 * @returns the reason, a clause, if the output has not the type and size of the input
 */
export function verifyLayer(
	prepared: PreparedLayer,
	y: RuntimeTensor | undefined,
	kernel: Kernel,
): Result<VerifyResult> {
	const { x, dtype } = prepared;
	if (y === undefined || y.type !== dtype || y.data.length !== x.length) {
		const output = y === undefined ? 'no output' : `an output of type ${y.type} with ${y.data.length} values`;
		return failure(`the runtime returned ${output}; ${x.length} values of ${dtype} are expected`);
	}
	const { arranged, layout, shape } = prepared;
	if (!arranged) {
		return success(verifyData(prepared, y.data as FloatData, kernel));
	}
	const rows = verifyData({ ...prepared, ...arranged }, permute(y.data as FloatData, shape, arranged.order), kernel);
	const moments = kernel.moments(x, dtype, layout);
	return success(joinRows(rows, arranged, { moments, count: layout.batch * layout.planeSize }));
}

function verifyData(
	{ x, dtype, layout, scale, shift, predicted, bound, perActivation, roundedTo }: PreparedLayer,
	y: FloatData,
	kernel: Kernel,
): VerifyResult {
	return kernel.verify({
		x,
		y,
		dtype,
		layout,
		scale,
		shift,
		...(predicted && { likely: predicted }),
		perActivation,
		...(roundedTo && { isRoundedX: true }),
		boundSlope: bound.slope,
		boundOffset: bound.offset,
	});
}

/** Joins the results of two runs of a layer: the larger errors and bounds, and the moments of both. */
export function mergeResults(a: VerifyResult, b: VerifyResult): VerifyResult {
	const worse = (one: Float64Array, other: Float64Array) => one.map((value, c) => Math.max(value, other[c]));
	const sum = (one: Float64Array, other: Float64Array) => one.map((value, c) => value + other[c]);
	const moments = mergeMoments([a.moments, b.moments]);
	return {
		maxAbs: worse(a.maxAbs, b.maxAbs),
		boundRatio: worse(a.boundRatio, b.boundRatio),
		bound: worse(a.bound, b.bound),
		sumSquares: sum(a.sumSquares, b.sumSquares),
		asPredicted: a.asPredicted && b.asPredicted,
		maxUlp: Math.max(a.maxUlp, b.maxUlp),
		maxRel: Math.max(a.maxRel, b.maxRel),
		// Counted on from the first run's values.
		firstBad: a.firstBad.map((index, c) => (index >= 0 || b.firstBad[c] < 0 ? index : a.count + b.firstBad[c])),
		nonFiniteY: sum(a.nonFiniteY, b.nonFiniteY),
		count: a.count + b.count,
		moments,
	};
}

/** Returns the verdict with its numbers. */
export function judge(
	result: VerifyResult,
	mode: BatchNormLayer['mode'],
): MatchingRecompute | DifferingRecompute | (SkippedRecompute & { readonly cause?: undefined }) {
	const unbounded = unboundedChannels(result, mode);
	const bad = badChannels(result.boundRatio).filter((channel) => !unbounded.includes(channel));
	const nothing = bad.length > 0 ? undefined : describeNothing(result);
	if (nothing !== undefined) {
		return { status: 'skipped', reason: nothing };
	}
	// A channel that is not judged uses no part of its bound.
	const boundRatio = result.boundRatio.map((ratio, channel) => (unbounded.includes(channel) ? 0 : ratio));
	const errors = {
		maxAbs: largest(result.maxAbs),
		maxRel: result.maxRel,
		maxUlp: result.maxUlp,
		...(result.asPredicted && { bitExact: true as const }),
		bound: largest(result.bound.filter(Number.isFinite)),
		perChannel: { maxAbs: result.maxAbs, bound: result.bound, boundRatio },
	};
	if (bad.length > 0) {
		return { status: 'mismatch', reason: describeMismatch(result, bad), ...errors };
	}
	return unbounded.length === 0
		? { status: 'match', ...errors }
		: { status: 'skipped', reason: describeUnbounded(unbounded, result.bound.length), ...errors };
}

/** Returns a sentence if no output was compared with a number; undefined otherwise. */
function describeNothing({ moments, count }: VerifyResult): string | undefined {
	if (moments.count.some((finite) => finite > 0)) {
		return undefined;
	}
	return count === 0 || moments.count.length === 0
		? "Not checked: the layer's input has no values, because a dimension is 0."
		: "Not checked: all values of the layer's input are NaN or infinite, which leaves no number to compare.";
}

/** Returns channels with an element beyond its bound, or NaN. @param boundRatio by channel */
export function badChannels(boundRatio: Float64Array): number[] {
	const bad: number[] = [];
	for (let c = 0; c < boundRatio.length; c++) {
		if (!(boundRatio[c] <= 1)) {
			bad.push(c);
		}
	}
	return bad;
}

/**
 * Returns channels without a bound, in which every output would count as correct. A training-mode channel with NaN or
 * infinity in its input has no bound either, but its output is known to be NaN.
 */
function unboundedChannels({ bound, moments }: VerifyResult, mode: BatchNormLayer['mode']): number[] {
	const isKnown = (channel: number) => mode === 'training' && moments.nonFinite[channel] > 0;
	return [...bound.keys()].filter((channel) => bound[channel] === Number.POSITIVE_INFINITY && !isKnown(channel));
}

function describeUnbounded(channels: readonly number[], total: number): string {
	const rest = channels.length < total ? ' The other channels agree to within rounding.' : '';
	return `Not judged in ${countChannels(channels, total)}: scale or shift is beyond what the runtime can compute there, so rounding has no bound.${rest}`;
}

/**
 * Returns the largest value, or NaN if any value is NaN. Loops here and above, because callbacks run slowly before V8
 * optimizes them.
 */
function largest(values: Float64Array): number {
	let largestSoFar = 0;
	for (let c = 0; c < values.length; c++) {
		if (Number.isNaN(values[c])) {
			return Number.NaN;
		}
		largestSoFar = Math.max(largestSoFar, values[c]);
	}
	return largestSoFar;
}

function describeMismatch(result: VerifyResult, bad: readonly number[]): string {
	const worst = bad.reduce((a, b) => (result.boundRatio[b] > result.boundRatio[a] ? b : a));
	const times = result.boundRatio[worst];
	const excess = Number.isFinite(times)
		? `${times.toPrecision(3)} times the rounding error that the operation allows`
		: "where the exact result is finite and the runtime's is not";
	return `The runtime's output differs from the exact result in ${bad.length} of ${result.maxAbs.length} channels; worst in channel ${worst}: ${result.maxAbs[worst].toPrecision(3)}, ${excess}.`;
}

/** Returns the statistics of a layer's input. @param images sum of N over all runs */
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
