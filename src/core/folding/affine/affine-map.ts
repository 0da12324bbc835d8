/** Consecutive columns of a row: coefficients of neighboring channels of a base. */
export interface Segment {
	/** Channel of the first coefficient. */
	readonly start: number;
	readonly values: Float64Array;
	/** Sums of the magnitudes that each coefficient was added up from; undefined: the magnitudes of the coefficients. */
	readonly sizes?: Float64Array;
	/** Errors that rounding to the steps of a grid leaves in each coefficient; undefined: none. */
	readonly slacks?: Float64Array;
}

/** Place of the values that a coefficient multiplies, relative to the place of the result. */
export interface Tap {
	/** Tensor that the map reads. */
	readonly base: string;
	/** Axis of its channels; negative: from the end. */
	readonly axis: number;
	/** Distance of neighboring results in the base, a number per spatial axis. */
	readonly strides: readonly number[];
	readonly offsets: readonly number[];
}

/** A sum and the magnitudes that it was added up from. */
export interface Sum {
	readonly value: number;
	readonly size: number;
	/** Number of terms of a long sum. */
	readonly terms: number;
	/** Error that rounding to the steps of a grid leaves; undefined: none. */
	readonly slack?: number;
}

/** Computes a channel as a weighted sum of channels of bases, plus a bias. */
export interface AffineRow {
	readonly bias: Sum;
	/** Coefficients by {@link tapKey}. */
	readonly parts: ReadonlyMap<string, Segment>;
	/** Shares of the bias that a border of zeros takes away, by {@link tapKey}. */
	readonly border: ReadonlyMap<string, Sum>;
}

/** An affine map from bases to the channels of a tensor. */
export interface AffineMap {
	readonly rows: readonly AffineRow[];
	readonly taps: ReadonlyMap<string, Tap>;
	/** Spatial axes behind the channels; undefined if unknown. */
	readonly space: number | undefined;
}

export const NO_SUM: Sum = { value: 0, size: 0, terms: 0 };

export const sumOf = (value: number): Sum => ({ value, size: Math.abs(value), terms: 1 });

export function tapKey({ base, axis, strides, offsets }: Tap): string {
	return `${base}\0${axis}\0${strides.join()}\0${offsets.join()}`;
}

export function sizesOf({ values, sizes }: Segment): Float64Array {
	return sizes ?? values.map(Math.abs);
}

/** Returns the map that hands on the channels of a tensor. */
export function identityMap(base: string, axis: number, channels: number, space: number | undefined): AffineMap {
	const tap: Tap = { base, axis, strides: [], offsets: [] };
	const key = tapKey(tap);
	const one = Float64Array.of(1);
	const border = new Map<string, Sum>();
	const rows = Array.from({ length: channels }, (_, start): AffineRow => {
		return { bias: NO_SUM, border, parts: new Map<string, Segment>().set(key, { start, values: one }) };
	});
	return { rows, taps: new Map([[key, tap]]), space };
}

/** Multiplies each channel by its scale and adds its shift. */
export function scaleAndShift(map: AffineMap, scale: ArrayLike<number>, shift: readonly Sum[] | undefined): AffineMap {
	const rows = map.rows.map((row, index): AffineRow => {
		const s = scale[index];
		const bias = scaled(row.bias, s);
		return {
			bias: shift ? plus(bias, shift[index]) : bias,
			parts: s === 1 ? row.parts : mapValues(row.parts, (segment) => scaleSegment(segment, s)),
			border: mapValues(row.border, (sum) => scaled(sum, s)),
		};
	});
	return { ...map, rows };
}

export function addMaps(a: AffineMap, b: AffineMap): AffineMap {
	const rows = a.rows.map((row, index): AffineRow => {
		const other = b.rows[index];
		return {
			bias: plus(row.bias, other.bias),
			parts: merge(row.parts, other.parts, addSegments),
			border: merge(row.border, other.border, plus),
		};
	});
	return { rows, taps: new Map([...a.taps, ...b.taps]), space: a.space ?? b.space };
}

/** Puts the channels of maps behind each other. */
export function concatMaps(maps: readonly AffineMap[]): AffineMap {
	return {
		rows: maps.flatMap(({ rows }) => rows),
		taps: new Map(maps.flatMap(({ taps }) => [...taps])),
		space: maps.find(({ space }) => space !== undefined)?.space,
	};
}

export const plus = (a: Sum, b: Sum): Sum => ({
	value: a.value + b.value,
	size: a.size + b.size,
	terms: Math.max(a.terms, b.terms),
	...withSlack((a.slack ?? 0) + (b.slack ?? 0)),
});

export const scaled = ({ value, size, terms, slack = 0 }: Sum, factor: number): Sum => ({
	value: value * factor,
	size: size * Math.abs(factor),
	terms,
	...withSlack(slack * Math.abs(factor)),
});

export const withSlack = (slack: number): Pick<Sum, 'slack'> => (slack > 0 ? { slack } : {});

export function scaleSegment({ start, values, sizes, slacks }: Segment, factor: number): Segment {
	return {
		start,
		values: values.map((value) => value * factor),
		...(sizes && { sizes: sizes.map((size) => size * Math.abs(factor)) }),
		...(slacks && { slacks: slacks.map((slack) => slack * Math.abs(factor)) }),
	};
}

export function addSegments(a: Segment, b: Segment): Segment {
	const start = Math.min(a.start, b.start);
	const end = Math.max(a.start + a.values.length, b.start + b.values.length);
	const [values, sizes] = [new Float64Array(end - start), new Float64Array(end - start)];
	const slacks = a.slacks || b.slacks ? new Float64Array(end - start) : undefined;
	for (const segment of [a, b]) {
		const size = sizesOf(segment);
		segment.values.forEach((value, index) => {
			values[segment.start - start + index] += value;
			sizes[segment.start - start + index] += size[index];
		});
		if (slacks) {
			segment.slacks?.forEach((slack, index) => {
				slacks[segment.start - start + index] += slack;
			});
		}
	}
	return { start, values, sizes, ...(slacks && { slacks }) };
}

function mapValues<T>(entries: ReadonlyMap<string, T>, change: (value: T) => T): ReadonlyMap<string, T> {
	return new Map(Array.from(entries, ([key, value]) => [key, change(value)]));
}

function merge<T>(
	a: ReadonlyMap<string, T>,
	b: ReadonlyMap<string, T>,
	add: (a: T, b: T) => T,
): ReadonlyMap<string, T> {
	const merged = new Map(a);
	for (const [key, value] of b) {
		const known = merged.get(key);
		merged.set(key, known === undefined ? value : add(known, value));
	}
	return merged;
}
