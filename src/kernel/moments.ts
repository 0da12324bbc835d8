import type { FloatType } from '../core/numbers/float-formats.js';
import { type Matrix, readSpan, type Span, spansOf, type Values } from './spans.js';
import type { FloatData, Moments } from './types.js';

export function emptyMoments(statistics: number): Moments {
	return {
		count: new Float64Array(statistics),
		mean: new Float64Array(statistics),
		m2: new Float64Array(statistics),
		nonFinite: new Float64Array(statistics),
	};
}

/**
 * Joins the moments of another part of the data (pairwise update: Chan, Golub, LeVeque 1979) into statistic `k`. Each
 * term added to m2 is positive, so no digits cancel however large the mean.
 */
export function addPart(into: Moments, k: number, count: number, mean: number, m2: number): void {
	if (count === 0) {
		return;
	}
	const before = into.count[k];
	const total = before + count;
	const delta = mean - into.mean[k];
	into.count[k] = total;
	into.mean[k] += delta * (count / total);
	into.m2[k] += m2 + delta * delta * ((before / total) * count);
}

export function clearMoments({ count, mean, m2, nonFinite }: Moments, k: number): void {
	count[k] = mean[k] = m2[k] = nonFinite[k] = 0;
}

/** Adds a span's values to statistic `k`: two passes, the second around the first's mean. */
export function addSpan(into: Moments, k: number, x: Values, { start, stride, length }: Span): void {
	const end = start + stride * length;
	let sum = 0;
	for (let i = start; i < end; i += stride) {
		sum += x[i];
	}
	if (!Number.isFinite(sum)) {
		addFinite(into, k, x, start, end, stride);
		return;
	}
	const mean = length ? sum / length : 0;
	let m2 = 0;
	let residual = 0;
	for (let i = start; i < end; i += stride) {
		const d = x[i] - mean;
		m2 += d * d;
		residual += d;
	}
	addPart(into, k, length, mean + (length ? residual / length : 0), m2 - (length ? (residual * residual) / length : 0));
}

/** One value at a time (Welford), leaving out what is not finite; also for float64 sums that overflow. */
function addFinite(into: Moments, k: number, x: Values, start: number, end: number, stride: number): void {
	for (let i = start; i < end; i += stride) {
		if (Number.isFinite(x[i])) {
			addPart(into, k, 1, x[i], 0);
		} else {
			into.nonFinite[k]++;
		}
	}
}

/** All of a unit's elements, in two passes and without what is not finite, in place of what is known about it. */
export function takeExactMoments(moments: Moments, unit: number, x: FloatData, type: FloatType, matrix: Matrix): void {
	clearMoments(moments, unit);
	for (const span of spansOf(matrix, unit)) {
		const { values, at } = readSpan(x, type, span);
		addSpan(moments, unit, values, at);
	}
}

/**
 * Moments of the whole from those of its parts, for example of the shards of a calibration set.
 * @throws {RangeError} when the parts do not have the same number of statistics.
 */
export function mergeMoments(parts: readonly Moments[]): Moments {
	const merged = emptyMoments(parts[0]?.count.length ?? 0);
	for (const part of parts) {
		if (part.count.length !== merged.count.length) {
			throw new RangeError(
				`Moments of ${merged.count.length} and of ${part.count.length} statistics cannot be merged: they are of different layers.`,
			);
		}
		for (let k = 0; k < part.count.length; k++) {
			addPart(merged, k, part.count[k], part.mean[k], part.m2[k]);
			merged.nonFinite[k] += part.nonFinite[k];
		}
	}
	return merged;
}

/** Divided by m': what training normalises with (arXiv 1502.03167, algorithm 1). NaN where there were no values. */
export function biasedVariance({ m2, count }: Moments): Float64Array {
	const variance = new Float64Array(m2.length);
	for (let k = 0; k < m2.length; k++) {
		variance[k] = m2[k] / count[k];
	}
	return variance;
}

/** Divided by m' - 1: the estimate of the population's (algorithm 2). NaN below two values. */
export function unbiasedVariance({ m2, count }: Moments): Float64Array {
	return m2.map((sum, k) => (count[k] > 1 ? sum / (count[k] - 1) : Number.NaN));
}
