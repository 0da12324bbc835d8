/**
 * Makes a message safe for VS Code's channel to a webview, which speaks JSON and carries typed arrays beside it. Two of
 * its traps are avoided here. NaN and the infinities would arrive as null: they become tagged objects. And only about 250
 * arrays arrive: VS Code 1.100 counts a call's arguments, buffers among them, in one byte, and what is beyond is silently
 * lost (a report of 52 layers has 300 arrays). So the elements of every Float64Array travel in a single one.
 */
export interface Packed {
	/** The message, with tags in place of non-finite numbers and of Float64Arrays. */
	readonly body: unknown;
	/** The elements of all Float64Arrays, one after the other. */
	readonly numbers: Float64Array;
}

/** A model's own strings are never object keys here, so that these cannot be confused with anything from a file. */
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

/** Undoes {@link pack}; the caller names the type it expects from the other side. The arrays are views of one buffer. */
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
