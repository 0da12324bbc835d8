import { type ChannelLayout, channelCount, forEachRun } from '../../operators/layout.js';
import { type Arrangement, movedChannels, permutationDeviation } from './arrangement.js';
import { VARIANT_BITS } from './deviation.js';
import { hasDirection, type RatioOptions, type RowRatios, RowState, ratioInterval, runStart } from './ratios.js';

/**
 * Finds deployed rows that are multiples of another channel's original row: output channels in another order. Two
 * numbers summarize a row's direction. So a sorted list yields a few candidates to compare element by element, in
 * O(elements), not O(channels * elements).
 */
export function permutedChannels(options: RatioOptions, ratios: RowRatios): readonly Arrangement[] {
	if (!hasDirection(options.layout)) {
		return [];
	}
	const distorted = Array.from(ratios.state.keys()).filter((row) => ratios.state[row] === RowState.distorted);
	if (distorted.length < 2) {
		return [];
	}
	const source = sourcesOf(options, distorted);
	const moved = movedChannels(source);
	// A permutation only exchanges rows; other mappings are other damage.
	const targets = new Set(moved.map((row) => source[row]));
	if (moved.length < 2 || targets.size !== moved.length || moved.some((row) => !targets.has(row))) {
		return [];
	}
	const { layout } = options;
	const whole = permutationDeviation('channels-permuted', source);
	const weightsOnly = permutationDeviation('channels-permuted', source, VARIANT_BITS);
	const inPlace = { ...weightsOnly, values: { ...weightsOnly.values, moved: moved.length, bias: 'in place' } };
	return [
		{ deviation: whole, layout, source, scaleOf: source, shiftOf: source, operatorBiasOf: source },
		// The rows moved before the fold, or after it but without their bias.
		{ deviation: inPlace, layout, source },
		{ deviation: inPlace, layout, source, scaleOf: source },
	];
}

/**
 * Returns the original row behind each deployed row. The given rows get the only original row that fits; all other rows
 * keep their own.
 */
function sourcesOf(options: RatioOptions, rows: readonly number[]): Int32Array {
	const { layout, deployed, original } = options;
	const source = Int32Array.from({ length: channelCount(layout) }, (_, row) => row);
	const originals = fingerprints(original, layout);
	const deployeds = fingerprints(deployed, layout);
	const order = Array.from(originals[0].keys()).sort((a, b) => originals[0][a] - originals[0][b]);
	const sorted = order.map((row) => originals[0][row]);
	for (const row of rows) {
		const tolerance = fingerprintTolerance(options, row);
		for (let at = lowerBound(sorted, deployeds[0][row] - tolerance); at < order.length; at++) {
			if (sorted[at] > deployeds[0][row] + tolerance) {
				break;
			}
			const candidate = order[at];
			const near = Math.abs(originals[1][candidate] - deployeds[1][row]) <= tolerance;
			if (near && isMultiple(options, row, candidate)) {
				source[row] = candidate;
				break;
			}
		}
	}
	return source;
}

function isMultiple(options: RatioOptions, row: number, candidate: number): boolean {
	const [low, high] = ratioInterval(options, row, candidate);
	return low <= high;
}

/**
 * Returns two sums over each row with pseudo-random signs, relative to the row's length and independent of the row's
 * sign.
 */
function fingerprints(weight: Float32Array | Float64Array, layout: ChannelLayout): [Float64Array, Float64Array] {
	const rows = channelCount(layout);
	const sums: [Float64Array, Float64Array] = [new Float64Array(rows), new Float64Array(rows)];
	const squares = new Float64Array(rows);
	forEachRun(layout, (row, start, position) => {
		for (let index = 0; index < layout.inner; index++) {
			const value = weight[start + index];
			const bits = hash(position + index);
			sums[0][row] += bits & 1 ? value : -value;
			sums[1][row] += bits & 2 ? value : -value;
			squares[row] += value * value;
		}
	});
	const normalize = (sum: number, row: number) => (squares[row] > 0 ? Math.abs(sum) / Math.sqrt(squares[row]) : 0);
	return [sums[0].map(normalize), sums[1].map(normalize)];
}

/** A few well-mixed bits of a position (the finaliser of MurmurHash3). */
function hash(position: number): number {
	let h = Math.imul(position ^ (position >>> 16), 0x85ebca6b);
	h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
	return (h ^ (h >>> 16)) >>> 7;
}

/** Returns the rounding of a fingerprint: the elements' allowances, relative to the row's length. */
function fingerprintTolerance({ layout, deployed, relative, absolute }: RatioOptions, row: number): number {
	let square = 0;
	let sum = 0;
	let count = 0;
	for (let i = 0; i < layout.outer; i++) {
		const start = runStart(layout, row, i);
		for (let index = start; index < start + layout.inner; index++) {
			square += deployed[index] * deployed[index];
			sum += Math.abs(deployed[index]);
			count++;
		}
	}
	return square > 0 ? (2 * (relative * sum + absolute[row] * count)) / Math.sqrt(square) + 1e-12 : 0;
}

function lowerBound(sorted: ArrayLike<number>, value: number): number {
	let low = 0;
	let high = sorted.length;
	while (low < high) {
		const middle = (low + high) >> 1;
		if (sorted[middle] < value) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

/** Values that decide about a permutation of parameters. */
export interface ParameterMatch {
	readonly ratios: RowRatios;
	/** Scale of each channel by some formula. */
	readonly scale: Float64Array;
	/** Returns the deployed bias minus the bias that row `row` would have with the parameters of `channel`. */
	readonly biasError: (row: number, channel: number) => number;
}

/**
 * Returns the channel of the scale that multiplied each row, if every informative row has a channel of its own. Among
 * channels with almost the same scale the bias decides.
 */
export function permutedParameters({ ratios, scale, biasError }: ParameterMatch): Int32Array | undefined {
	const sorted = scale.toSorted();
	const most = scale.length / FAILURES;
	if (countStrangers(ratios, sorted, most) > most) {
		return undefined;
	}
	const order = Array.from(scale.keys()).sort((a, b) => scale[a] - scale[b]);
	const result = new Int32Array(scale.length).fill(-1);
	const used = new Uint8Array(scale.length);
	const choose = (row: number, candidates: readonly number[]) => {
		const free = candidates.filter((channel) => !used[channel]);
		const best = free.reduce((a, b) => (biasError(row, b) < biasError(row, a) ? b : a), free[0]);
		if (best !== undefined) {
			result[row] = best;
			used[best] = 1;
		}
		return best !== undefined;
	};
	const lists = Array.from(scale.keys(), (row) => candidatesOf(ratios, row, order, sorted));
	// Starts with the fewest candidates, so that no row takes another's only channel.
	const rows = Array.from(lists.keys()).sort((a, b) => lists[a].length - lists[b].length);
	let failures = 0;
	for (const row of rows) {
		if (ratios.state[row] === RowState.multiple && !choose(row, lists[row]) && ++failures > most) {
			return undefined;
		}
	}
	const left = Array.from(used.keys()).filter((channel) => !used[channel]);
	rows
		.filter((row) => result[row] < 0)
		.forEach((row) => {
			choose(row, used[row] ? left : [row]);
		});
	return result.includes(-1) ? undefined : result;
}

/** 1 row of this many may lack a channel. */
const FAILURES = 16;

/** Counts rows with a ratio that is no channel's scale, up to `most` + 1. Most formulas fail here. */
function countStrangers(ratios: RowRatios, sorted: Float64Array, most: number): number {
	let count = 0;
	for (let row = 0; row < ratios.low.length && count <= most; row++) {
		if (ratios.state[row] === RowState.multiple) {
			const [first, last] = candidateRange(ratios, row, sorted);
			count += first === last ? 1 : 0;
		}
	}
	return count;
}

function candidatesOf(ratios: RowRatios, row: number, order: readonly number[], sorted: Float64Array): number[] {
	return ratios.state[row] === RowState.multiple ? order.slice(...candidateRange(ratios, row, sorted)) : [];
}

/** Returns the range of sorted scales that match a row's ratio. */
function candidateRange({ low, high }: RowRatios, row: number, sorted: Float64Array): [number, number] {
	const slack = 4 * Number.EPSILON * Math.abs(high[row]);
	const first = lowerBound(sorted, low[row] - slack);
	let last = first;
	while (last < sorted.length && sorted[last] <= high[row] + slack) {
		last++;
	}
	return [first, last];
}
