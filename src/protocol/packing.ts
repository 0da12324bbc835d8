/**
 * A message packed for VS Code's channel to a webview, which sends JSON and typed arrays beside it. Packing avoids two
 * losses. NaN and the infinities would arrive as null, so they become tagged objects. Only about 250 arrays would
 * arrive, because VS Code 1.100 counts a call's arguments, buffers included, in a byte, and silently drops the rest. A
 * report of 52 layers has 300 arrays. So the elements of all Float64Arrays travel in a single array.
 */
export interface Packed {
	/** The message, with tags for non-finite numbers and Float64Arrays. */
	readonly body: unknown;
	/** Elements of all Float64Arrays, concatenated. A tag holds its array's start and end index. */
	readonly numbers: Float64Array;
}

/** Keys of tagged objects. Strings of a model file are never object keys here, so they cannot be mistaken for tags. */
const NON_FINITE = '$nonFinite';
const ARRAY = '$array';

export function pack(message: unknown): Packed {
	const arrays: Float64Array[] = [];
	let length = 0;
	const replace = (value: unknown): unknown => {
		if (typeof value === 'number') {
			return Number.isFinite(value) ? value : { [NON_FINITE]: String(value) };
		}
		if (value instanceof Float64Array) {
			const start = length;
			arrays.push(value);
			length += value.length;
			return { [ARRAY]: [start, length] };
		}
		return mapChildren(value, replace);
	};
	const body = replace(message);
	const numbers = new Float64Array(length);
	let offset = 0;
	for (const array of arrays) {
		numbers.set(array, offset);
		offset += array.length;
	}
	return { body, numbers };
}

/** Undoes {@link pack}. `T` is the type that the sender packed. The returned arrays are views of the same buffer. */
export function unpack<T>({ body, numbers }: Packed): T {
	const restore = (value: unknown): unknown => {
		if (typeof value === 'object' && value !== null) {
			if (NON_FINITE in value) {
				return Number(value[NON_FINITE]);
			}
			if (ARRAY in value) {
				const [start, end] = value[ARRAY] as [number, number];
				return numbers.subarray(start, end);
			}
		}
		return mapChildren(value, restore);
	};
	return restore(body) as T;
}

function mapChildren(value: unknown, map: (child: unknown) => unknown): unknown {
	if (Array.isArray(value)) {
		return value.map(map);
	}
	if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
		return value;
	}
	return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, map(child)]));
}
