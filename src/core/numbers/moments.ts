/**
 * Count, mean and sum of squared deviations (M2) of statistics, in arrays of equal length. `mergeMoments` joins the
 * moments of parts of the data. Non-finite values are counted, and not part of mean and M2.
 */
export interface Moments {
	/** Number of finite values. */
	readonly count: Float64Array;
	/** 0 if `count` is 0. */
	readonly mean: Float64Array;
	/** Sum of (x - mean)^2. Divided by count it is the biased variance, divided by count - 1 the unbiased variance. */
	readonly m2: Float64Array;
	/** Number of NaN and infinite values. */
	readonly nonFinite: Float64Array;
}

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

/**
 * Returns the moments of the whole from the moments of its parts, for example the shards of a calibration set.
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
