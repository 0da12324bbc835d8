import { type MatrixTensor, readSpan, type Span, spansOf, type Values } from './spans.js';
import type { Moments } from './types.js';

export function emptyMoments(statistics: number): Moments {
	return {
		count: new Float64Array(statistics),
		mean: new Float64Array(statistics),
		m2: new Float64Array(statistics),
		nonFinite: new Float64Array(statistics),
	};
}

/**
 * Joins the moments of another part of the data into statistic `k` (pairwise update: Chan, Golub, LeVeque 1979). Each
 * term added to m2 is positive, so no digits cancel, even with a large mean.
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

/** Adds a span's values to statistic `k` in two passes, the second around the mean of the first. */
export function addSpan(into: Moments, k: number, x: Values, span: Span): void {
	const { start, stride, length } = span;
	const end = start + stride * length;
	let sum = 0;
	for (let i = start; i < end; i += stride) {
		sum += x[i];
	}
	if (!Number.isFinite(sum)) {
		addFinite(into, k, x, span);
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

/** Adds finite values one at a time (Welford) and counts the others. Also for float64 sums that overflow. */
function addFinite(into: Moments, k: number, x: Values, { start, stride, length }: Span): void {
	const end = start + stride * length;
	for (let i = start; i < end; i += stride) {
		if (Number.isFinite(x[i])) {
			addPart(into, k, 1, x[i], 0);
		} else {
			into.nonFinite[k]++;
		}
	}
}

/** Replaces the moments of a unit by those of its finite elements, computed in two passes. */
export function takeExactMoments(moments: Moments, unit: number, { data, dtype, matrix }: MatrixTensor): void {
	clearMoments(moments, unit);
	for (const span of spansOf(matrix, unit)) {
		const { values, at } = readSpan(data, dtype, span);
		addSpan(moments, unit, values, at);
	}
}

/**
 * Returns the moments of the whole from those of its parts, for example the shards of a calibration set.
 * @throws {RangeError} if the parts differ in their number of statistics
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

/** M2 / m', the variance that training normalizes with (arXiv 1502.03167, algorithm 1). NaN without values. */
export function biasedVariance({ m2, count }: Moments): Float64Array {
	const variance = new Float64Array(m2.length);
	for (let k = 0; k < m2.length; k++) {
		variance[k] = m2[k] / count[k];
	}
	return variance;
}

/** M2 / (m' - 1), the estimate of the population's variance (algorithm 2). NaN below two values. */
export function unbiasedVariance({ m2, count }: Moments): Float64Array {
	return m2.map((sum, k) => (count[k] > 1 ? sum / (count[k] - 1) : Number.NaN));
}
