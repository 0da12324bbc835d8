import { type ChannelLayout, channelCount, rowLength } from '../../operators/layout.js';

/** Information that a row of deployed weights gives about its factor. */
export const RowState = {
	/** The deployed row is a multiple of the original row. */
	multiple: 0,
	/** Both rows are zero: any factor fits. */
	empty: 1,
	/** No factor fits: the row was edited, belongs to another channel, or was scaled along another axis. */
	distorted: 2,
} as const;

/**
 * Interval of factors for each row. With a factor r in it, |deployed - r w| <= relative |r w| + absolute holds for
 * every element. Intervals replace estimates: a hypothesis predicts a factor inside or outside, and the width shows how
 * much an agreement proves.
 */
export interface RowRatios {
	readonly low: Float64Array;
	readonly high: Float64Array;
	readonly state: Uint8Array;
	/** The relative allowance that the intervals were computed with. */
	readonly relative: number;
}

export interface RatioOptions {
	readonly deployed: Float32Array | Float64Array;
	readonly original: Float32Array | Float64Array;
	readonly layout: ChannelLayout;
	readonly relative: number;
	/** Allowed absolute error, shape (rows). */
	readonly absolute: Float64Array;
	/** Original row for each deployed row; its own by default. */
	readonly source?: Int32Array;
}

/** Index of the first element of a row's run number `i`. */
export function runStart({ outer, perGroup, inner }: ChannelLayout, row: number, i: number): number {
	const group = Math.floor(row / perGroup);
	return ((group * outer + i) * perGroup + (row - group * perGroup)) * inner;
}

export function rowRatios(options: RatioOptions): RowRatios {
	const rows = channelCount(options.layout);
	const { relative } = options;
	const result = { low: new Float64Array(rows), high: new Float64Array(rows), state: new Uint8Array(rows), relative };
	for (let row = 0; row < rows; row++) {
		const [low, high] = ratioInterval(options, row, options.source?.[row] ?? row);
		result.low[row] = low;
		result.high[row] = high;
		const bounded = low > Number.NEGATIVE_INFINITY || high < Number.POSITIVE_INFINITY;
		result.state[row] = low > high ? RowState.distorted : bounded ? RowState.multiple : RowState.empty;
	}
	return result;
}

const DISTORTED: [number, number] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

/** The intersection of the elements' intervals; stops at the first contradiction. */
export function ratioInterval(options: RatioOptions, row: number, source: number): [number, number] {
	const { deployed, original, layout, relative } = options;
	const absolute = options.absolute[row];
	let low = Number.NEGATIVE_INFINITY;
	let high = Number.POSITIVE_INFINITY;
	for (let i = 0; i < layout.outer; i++) {
		const start = runStart(layout, row, i);
		const shift = runStart(layout, source, i) - start;
		for (let index = start; index < start + layout.inner; index++) {
			const w = original[index + shift];
			const f = deployed[index];
			// The values of x = r w with |f - x| <= relative |x| + absolute.
			const least = (f - absolute) / (f >= absolute ? 1 + relative : 1 - relative);
			const most = (f + absolute) / (f >= -absolute ? 1 - relative : 1 + relative);
			if (w === 0) {
				if (!(least <= 0 && 0 <= most)) {
					return DISTORTED;
				}
				continue;
			}
			low = Math.max(low, w > 0 ? least / w : most / w);
			high = Math.min(high, w > 0 ? most / w : least / w);
			// False for NaN, which the maximum hands on.
			if (!(low <= high)) {
				return DISTORTED;
			}
		}
	}
	return [low, high];
}

/** Counts rows that are multiples, and rows that are informative. */
export function countMultiples({ state }: Pick<RowRatios, 'state'>): {
	readonly multiples: number;
	readonly informative: number;
} {
	let multiples = 0;
	let informative = 0;
	for (const value of state) {
		multiples += value === RowState.multiple ? 1 : 0;
		informative += value === RowState.empty ? 0 : 1;
	}
	return { multiples, informative };
}

/** Returns the cosine of the angle between a deployed row and an original row; NaN if either is zero. */
export function rowCosine(
	{ deployed, original, layout }: Pick<RatioOptions, 'deployed' | 'original' | 'layout'>,
	row: number,
	source: number,
): number {
	let ff = 0;
	let fw = 0;
	let ww = 0;
	for (let i = 0; i < layout.outer; i++) {
		const start = runStart(layout, row, i);
		const shift = runStart(layout, source, i) - start;
		for (let index = start; index < start + layout.inner; index++) {
			const w = original[index + shift];
			const f = deployed[index];
			ff += f * f;
			fw += f * w;
			ww += w * w;
		}
	}
	return fw / Math.sqrt(ff * ww);
}

/** True if rows have several elements. A ratio of single elements proves no agreement of directions. */
export function hasDirection(layout: ChannelLayout): boolean {
	return rowLength(layout) > 1;
}
