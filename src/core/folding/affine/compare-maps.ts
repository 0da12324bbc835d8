import { median } from '../../numbers/arrays.js';
import {
	type AffineMap,
	type AffineRow,
	addSegments,
	type Segment,
	type Sum,
	type Tap,
	withSlack,
} from './affine-map.js';

/** Differences of a deployed map from the original map. */
export interface MapDifference {
	/** Number of compared numbers, and how many of them differ by more than rounding. */
	readonly compared: number;
	readonly different: number;
	/** Rows in which numbers differ, ascending. */
	readonly rows: readonly number[];
	/** The number that is furthest beyond its bound; undefined if none is. */
	readonly worst: Deviation | undefined;
}

export interface Deviation {
	readonly row: number;
	/** `constant`: of a function between operators. */
	readonly part: 'weight' | 'bias' | 'constant';
	readonly found: number;
	readonly expected: number;
	/** Largest difference that rounding explains. */
	readonly bound: number;
}

/**
 * Roundings that a tool may spend on a coefficient: 7 for each of two layers (see `foldTolerance`), 2 for a factor
 * moved between layers, and 1 for each of a dozen branches. The rest allows for another order of the steps.
 */
const ROUNDINGS = 32;
/** Roundings of a long sum, per square root of its terms: errors of either sign cancel for the most part. */
const ROUNDINGS_OF_SUM = 4;

/** A key of coefficients that does not depend on axes without extent: a Conv1d written as a Conv2d has the same. */
type CanonicalKey = string;

export type CanonicalRow = {
	readonly bias: Sum;
	readonly parts: ReadonlyMap<CanonicalKey, Segment>;
	readonly border: ReadonlyMap<CanonicalKey, Sum>;
};

/** Rows of two maps with comparable keys; undefined for different tensors or places. */
export function comparableRows(
	original: AffineMap,
	deployed: AffineMap,
): readonly [readonly CanonicalRow[], readonly CanonicalRow[]] | undefined {
	const used = [usedKeys(original), usedKeys(deployed)] as const;
	const axes = [original, deployed].map(({ taps }, index) => spatialAxes([...used[index]].map((key) => taps.get(key))));
	const ranks = new Set([original, deployed].map(rankOf));
	const both = ranks.size === 1 ? axes.map(() => [...new Set(axes.flat())].sort()) : axes;
	if (both[0].length !== both[1].length) {
		return undefined;
	}
	return [canonical(original, used[0], both[0]), canonical(deployed, used[1], both[1])];
}

/** Returns the bases that coefficients other than 0 read. */
export function basesOf(map: AffineMap): ReadonlySet<string> {
	return new Set([...usedKeys(map)].flatMap((key) => map.taps.get(key)?.base ?? []));
}

function usedKeys({ rows }: AffineMap): ReadonlySet<string> {
	const used = new Set<string>();
	for (const { parts } of rows) {
		for (const [key, { values }] of parts) {
			if (!used.has(key) && values.some((value) => value !== 0)) {
				used.add(key);
			}
		}
	}
	return used;
}

function spatialAxes(taps: readonly (Tap | undefined)[]): number[] {
	const axes = new Set<number>();
	for (const tap of taps) {
		tap?.offsets.forEach((offset, axis) => {
			if (offset !== 0 || tap.strides[axis] !== 1) {
				axes.add(axis);
			}
		});
	}
	return [...axes].sort();
}

function rankOf({ taps }: AffineMap): number {
	return [...taps.values()].reduce((most, { offsets }) => Math.max(most, offsets.length), 0);
}

function canonical({ rows, taps }: AffineMap, used: ReadonlySet<string>, axes: readonly number[]): CanonicalRow[] {
	const keys = new Map<string, string>();
	for (const key of used) {
		const tap = taps.get(key);
		if (tap) {
			const { base, axis, strides, offsets } = tap;
			keys.set(key, [base, axis, ...axes.map((at) => `${strides[at] ?? 1}:${offsets[at] ?? 0}`)].join('\0'));
		}
	}
	return rows.map(({ bias, parts, border }) => {
		const merged = new Map<string, Segment>();
		for (const [key, segment] of parts) {
			const name = keys.get(key);
			// The center of a kernel and a plain copy of the base have the same place.
			const known = name === undefined ? undefined : merged.get(name);
			if (name !== undefined) {
				merged.set(name, known ? addSegments(known, segment) : segment);
			}
		}
		const offsetsOf = (key: string) => key.split(',').map(Number);
		const places = Array.from(border, ([key, sum]) => {
			const offsets = offsetsOf(key);
			return [axes.map((at) => offsets[at] ?? 0).join(), sum] as const;
		});
		return { bias, parts: merged, border: new Map(places) };
	});
}

/**
 * Compares corresponding rows.
 * @param unitRoundoff of the coarser model's type
 */
export function compareMaps(
	original: readonly CanonicalRow[],
	deployed: readonly CanonicalRow[],
	unitRoundoff: number,
): MapDifference {
	let [compared, different] = [0, 0];
	let worst: (Deviation & { readonly excess: number }) | undefined;
	const rows: number[] = [];
	for (const [row, expected] of original.entries()) {
		const difference = compareRow(expected, deployed[row], unitRoundoff);
		compared += difference.compared;
		different += difference.deviations.length;
		if (difference.deviations.length > 0) {
			rows.push(row);
		}
		for (const deviation of difference.deviations) {
			const excess = Math.abs(deviation.found - deviation.expected) / deviation.bound;
			worst = worst && worst.excess >= excess ? worst : { ...deviation, row, excess };
		}
	}
	return { compared, different, rows, worst };
}

const ZERO: Sum = { value: 0, size: 0, terms: 0 };

function compareRow(original: CanonicalRow, deployed: CanonicalRow, unitRoundoff: number) {
	const deviations: Omit<Deviation, 'row'>[] = [];
	let compared = 0;
	const compare = (part: Deviation['part'], a: Sum, b: Sum) => {
		compared++;
		const roundings = ROUNDINGS + ROUNDINGS_OF_SUM * Math.sqrt(Math.max(a.terms, b.terms));
		const slack = (a.slack ?? 0) + (b.slack ?? 0);
		const bound = roundings * unitRoundoff * Math.max(a.size, b.size) + slack + TINY;
		if (!(Math.abs(a.value - b.value) <= bound)) {
			deviations.push({ part, found: b.value, expected: a.value, bound });
		}
	};
	for (const [a, b] of pairedElements(original, deployed)) {
		compare('weight', a, b);
	}
	compare('bias', original.bias, deployed.bias);
	for (const key of new Set([...original.border.keys(), ...deployed.border.keys()])) {
		compare('bias', original.border.get(key) ?? ZERO, deployed.border.get(key) ?? ZERO);
	}
	return { compared, deviations };
}

/** Smallest difference that counts. */
const TINY = 2 ** -126;

/** Yields the coefficients of two rows at the same place, unless both are 0. */
function* pairedElements(a: AffineRowParts, b: AffineRowParts): Generator<readonly [Sum, Sum]> {
	for (const key of new Set([...a.parts.keys(), ...b.parts.keys()])) {
		const segments = [a.parts.get(key), b.parts.get(key)];
		const known = segments.filter((segment) => segment !== undefined);
		const start = Math.min(...known.map((segment) => segment.start));
		const end = Math.max(...known.map((segment) => segment.start + segment.values.length));
		for (let column = start; column < end; column++) {
			const [x, y] = [elementOf(segments[0], column), elementOf(segments[1], column)];
			if (x.size > 0 || y.size > 0) {
				yield [x, y];
			}
		}
	}
}

type AffineRowParts = Pick<AffineRow, 'parts'>;

function elementOf(segment: Segment | undefined, column: number): Sum {
	const index = segment ? column - segment.start : -1;
	if (!segment || index < 0 || index >= segment.values.length) {
		return ZERO;
	}
	const value = segment.values[index];
	const size = segment.sizes?.[index] ?? Math.abs(value);
	return { value, size, terms: 0, ...withSlack(segment.slacks?.[index] ?? 0) };
}

/** Deployed rows in the order of the original's, and the factor of each. */
export interface RowAssignment {
	/** Deployed row of each original row. */
	readonly rows: readonly number[];
	/** Deployed row = factor * original row. */
	readonly factors: Float64Array;
	/** Error of each factor that the steps of a grid allow, relative to it; undefined: none. */
	readonly slack?: Float64Array;
}

/** Largest distance of the projections of two rows of the same direction: an edited weight moves them a little. */
const MAX_PROJECTION_DISTANCE = 2e-3;
const MIN_COSINE = 1 - 1e-5;

/**
 * Finds for every original row the deployed row that is a positive multiple of it.
 * @returns undefined if a row has none
 */
export function assignRows(
	original: readonly CanonicalRow[],
	deployed: readonly CanonicalRow[],
): RowAssignment | undefined {
	const projections = deployed
		.map((row, index) => ({ index, at: project(row), blur: blurOf(row) }))
		.sort((a, b) => a.at - b.at);
	const free = new Set(projections.map(({ index }) => index));
	const rows: number[] = [];
	const ranges: Ratio[] = [];
	for (const [index, row] of original.entries()) {
		const at = project(row);
		const near = projections.filter(
			(each) => Math.abs(each.at - at) <= MAX_PROJECTION_DISTANCE + 2 * each.blur && free.has(each.index),
		);
		// A row in its place goes first, because rows on a coarse grid may be alike.
		near.sort((a, b) => Number(b.index === index) - Number(a.index === index));
		const found = near.find((each) => cosine(row, deployed[each.index]) >= MIN_COSINE - each.blur ** 2);
		if (!found) {
			return undefined;
		}
		free.delete(found.index);
		rows.push(found.index);
		ranges.push(ratioOf(row, deployed[found.index]));
	}
	if (ranges.every(({ ofWeights }) => holdsOne(ofWeights))) {
		return { rows, factors: new Float64Array(rows.length).fill(1) };
	}
	const factors = Float64Array.from(ranges, ({ ofRow }) => (holdsOne(ofRow) ? 1 : (ofRow.low + ofRow.high) / 2));
	const slack = Float64Array.from(ranges, ({ ofRow: { low, high } }, index) => {
		return Math.max(high - factors[index], factors[index] - low) / factors[index];
	});
	return { rows, factors, ...(slack.some((error) => error > 0) && { slack }) };
}

const holdsOne = ({ low, high }: FactorRange): boolean => low < high && low <= 1 && 1 <= high;

/** Least and largest factor that fits two rows. */
interface FactorRange {
	readonly low: number;
	readonly high: number;
}

/** Returns the largest distance that the steps of a grid leave between the directions of a row and of its exact values. */
function blurOf({ parts }: AffineRowParts): number {
	let [error, square] = [0, 0];
	for (const { values, slacks } of parts.values()) {
		slacks?.forEach((slack, index) => {
			error += slack * slack;
			square += values[index] * values[index];
		});
	}
	return error === 0 ? 0 : Math.sqrt(error / square);
}

/** Returns the size of a row's direction along a fixed random direction. */
function project({ parts }: AffineRowParts): number {
	let [sum, square] = [0, 0];
	for (const [key, { start, values }] of parts) {
		const seed = hashOf(key);
		values.forEach((value, index) => {
			sum += value * pseudoRandom(seed + start + index);
			square += value * value;
		});
	}
	return square > 0 ? sum / Math.sqrt(square) : 0;
}

function hashOf(text: string): number {
	let hash = 0;
	for (let index = 0; index < text.length; index++) {
		hash = (Math.imul(hash, 31) + text.charCodeAt(index)) | 0;
	}
	return hash;
}

/** Returns a number between -1 and 1 that looks random. */
function pseudoRandom(seed: number): number {
	let mixed = Math.imul(seed ^ (seed >>> 16), 0x45d9f3b);
	mixed = Math.imul(mixed ^ (mixed >>> 16), 0x45d9f3b);
	return ((mixed ^ (mixed >>> 16)) | 0) / 2 ** 31;
}

function cosine(a: AffineRowParts, b: AffineRowParts): number {
	let [ab, aa, bb] = [0, 0, 0];
	for (const [x, y] of pairedElements(a, b)) {
		ab += x.value * y.value;
		aa += x.value * x.value;
		bb += y.value * y.value;
	}
	return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : aa === bb ? 1 : 0;
}

/** Minimum size of a coefficient in a quotient, as a share of its row's largest. */
const MIN_SHARE = 1e-2;

/** Factors that fit the weights of two rows, and those that fit the bias, too, if there are any. */
interface Ratio {
	readonly ofWeights: FactorRange;
	readonly ofRow: FactorRange;
}

/** Returns the factor between two rows that most of their coefficients agree on; ranges of factors on a grid. */
function ratioOf(a: CanonicalRow, b: CanonicalRow): Ratio {
	const pairs = [...pairedElements(a, b)];
	const largest = pairs.reduce((most, [x]) => Math.max(most, Math.abs(x.value)), 0);
	const known = pairs.filter(([x]) => Math.abs(x.value) > MIN_SHARE * largest);
	if (known.some(([, { slack = 0 }]) => slack > 0)) {
		const range = known.reduce(within, { low: 0, high: Number.POSITIVE_INFINITY });
		const narrow = within(range, [withRounding(a.bias), withRounding(b.bias)]);
		if (isRange(range)) {
			return { ofWeights: range, ofRow: isRange(narrow) ? narrow : range };
		}
	}
	const factor = known.length > 0 ? median(known.map(([x, y]) => y.value / x.value)) : 1;
	const only = { low: factor, high: factor };
	return { ofWeights: only, ofRow: only };
}

const isRange = ({ low, high }: FactorRange): boolean => low <= high && high < Number.POSITIVE_INFINITY;

/** Error of a bias by rounding, as a share of the magnitudes that it was added up from. */
const BIAS_ROUNDING = ROUNDINGS * 2 ** -24;

const withRounding = (sum: Sum): Sum => ({ ...sum, slack: (sum.slack ?? 0) + BIAS_ROUNDING * sum.size });

/** Narrows a range to the factors that make one number the other, with their errors. */
function within({ low, high }: FactorRange, [from, to]: readonly [Sum, Sum]): FactorRange {
	const { value, slack: ownSlack = 0 } = from;
	const { slack = 0 } = to;
	const size = Math.abs(value);
	if (size <= ownSlack) {
		return { low, high };
	}
	const product = Math.sign(value) * to.value;
	return {
		low: Math.max(low, (product - slack) / (size + ownSlack)),
		high: Math.min(high, (product + slack) / (size - ownSlack)),
	};
}
