/** Intervals [low[i], high[i]], each with the weight of its evidence; empty where low > high. */
export interface WeightedIntervals {
	readonly low: Float64Array;
	readonly high: Float64Array;
	readonly weight: Float64Array;
}

/** A stretch covered by intervals of the largest total weight. */
export interface Agreement {
	readonly low: number;
	readonly high: number;
	readonly weight: number;
}

/**
 * Returns the range where most intervals overlap, by weight. This fit is robust, because outliers (an edited channel)
 * do not take part. Sweeps over the sorted ends in O(n log n). Undefined without an interval.
 */
export function mostAgreed({ low, high, weight }: WeightedIntervals): Agreement | undefined {
	const starts = Array.from(low.keys()).filter((index) => low[index] <= high[index]);
	const ends = [...starts];
	starts.sort((a, b) => low[a] - low[b]);
	ends.sort((a, b) => high[a] - high[b]);
	let best: Agreement | undefined;
	let current = 0;
	let closed = 0;
	for (const start of starts) {
		for (; closed < ends.length && high[ends[closed]] < low[start]; closed++) {
			current -= weight[ends[closed]];
		}
		current += weight[start];
		// The overlap lasts until the first open interval closes.
		if (!best || current > best.weight) {
			best = { low: low[start], high: high[ends[closed]], weight: current };
		}
	}
	return best;
}

/** Total weight of the intervals that do not contain `value`. */
export function weightOutside({ low, high, weight }: WeightedIntervals, value: number): number {
	let total = 0;
	for (let index = 0; index < low.length; index++) {
		total += low[index] <= value && value <= high[index] ? 0 : weight[index];
	}
	return total;
}
