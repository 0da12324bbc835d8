import { addPart, type Moments } from '../core/numbers/moments.js';
import { type MatrixTensor, readSpan, type Span, spansOf, type Values } from './spans.js';

export function clearMoments({ count, mean, m2, nonFinite }: Moments, k: number): void {
	count[k] = mean[k] = m2[k] = nonFinite[k] = 0;
}

/** Adds a span to statistic `k` in two passes, the second around the first's mean. */
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

/** Adds finite values singly (Welford), counts NaN and infinities. Survives float64 sums that overflow. */
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

/** Replaces a unit's moments by the two-pass moments of its finite elements. */
export function takeExactMoments(moments: Moments, unit: number, { data, dtype, matrix }: MatrixTensor): void {
	clearMoments(moments, unit);
	for (const span of spansOf(matrix, unit)) {
		const { values, at } = readSpan(data, dtype, span);
		addSpan(moments, unit, values, at);
	}
}
