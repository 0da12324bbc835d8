import { failure, type Result, success } from '../../result.js';
import type { Inflate } from '../zip/archive.js';
import type { Cursor } from './cursor.js';

/** A step of the pipeline through which chunks were written. */
export interface Filter {
	readonly id: number;
	readonly parameters: readonly number[];
}

const DEFLATE = 1;
const SHUFFLE = 2;
const CHECKSUM = 3;

/** Names of filters that cannot be undone here. Numbers from 256 are registered by third parties. */
const NAMES: Readonly<Record<number, string>> = {
	4: 'szip',
	5: 'n-bit',
	6: 'scale-offset',
	307: 'bzip2',
	32000: 'LZF',
	32001: 'Blosc',
	32004: 'LZ4',
	32008: 'bitshuffle',
	32013: 'ZFP',
	32015: 'Zstandard',
	32026: 'Blosc2',
};

/** Maximum number of filters in a pipeline. */
const MAX_FILTERS = 8;

/**
 * Reads a filter pipeline message, section IV.A.2.l of the format.
 * @returns the filters in the order of writing, or a clause that follows "because"
 */
export function readFilters(cursor: Cursor): Result<readonly Filter[]> {
	const version = cursor.uint8();
	const count = cursor.uint8();
	if (version < 1 || version > 2 || count > MAX_FILTERS) {
		return failure(`its filters are of the unknown version ${version}`);
	}
	cursor.skip(version === 1 ? 6 : 0);
	const filters: Filter[] = [];
	for (let index = 0; index < count; index++) {
		const id = cursor.uint16();
		// Version 2 omits the names of filters that the format defines.
		const nameLength = version === 1 || id >= 256 ? cursor.uint16() : 0;
		cursor.skip(2);
		const values = cursor.uint16();
		cursor.skip(nameLength);
		const parameters = Array.from({ length: values }, () => cursor.uint32());
		cursor.skip(version === 1 && values % 2 === 1 ? 4 : 0);
		if (id !== DEFLATE && id !== SHUFFLE && id !== CHECKSUM) {
			return failure(`it is compressed by ${NAMES[id] ?? `filter ${id}`}, which cannot be read here`);
		}
		filters.push({ id, parameters });
	}
	return success(filters);
}

interface Chunk {
	readonly bytes: Uint8Array;
	/** Bit i set: filter i was not applied to this chunk. */
	readonly mask: number;
	/** Bytes of the chunk's elements. */
	readonly size: number;
}

/** Returns the elements of a chunk; undefined for bytes that its filters cannot have made. */
export function unfilter(
	{ bytes, mask, size }: Chunk,
	filters: readonly Filter[],
	inflate: Inflate,
): Uint8Array | undefined {
	let result = bytes;
	for (const [index, { id, parameters }] of [...filters.entries()].reverse()) {
		if ((mask & (1 << index)) !== 0) {
			continue;
		}
		if (id === DEFLATE) {
			const inflated = tryInflate(result, size + CHECKSUM_BYTES, inflate);
			if (!inflated) {
				return undefined;
			}
			result = inflated;
		} else if (id === SHUFFLE) {
			result = unshuffle(result, parameters[0] ?? 1);
		} else {
			result = result.subarray(0, Math.max(0, result.length - CHECKSUM_BYTES));
		}
	}
	return result.length === size ? result : undefined;
}

/** Bytes of a Fletcher checksum, perhaps inside the compressed bytes. */
const CHECKSUM_BYTES = 4;

/** Bytes around raw deflate data in zlib's format. */
const ZLIB_HEAD = 2;
const ZLIB_TAIL = 4;

function tryInflate(bytes: Uint8Array, size: number, inflate: Inflate): Uint8Array | undefined {
	if (bytes.length < ZLIB_HEAD + ZLIB_TAIL) {
		return undefined;
	}
	try {
		return inflate(bytes.subarray(ZLIB_HEAD, bytes.length - ZLIB_TAIL), size);
	} catch {
		return undefined;
	}
}

/** Restores elements from bytes that were grouped by their position in the element. */
function unshuffle(bytes: Uint8Array, size: number): Uint8Array {
	const count = Math.floor(bytes.length / size);
	if (size < 2 || count < 2) {
		return bytes;
	}
	const result = new Uint8Array(bytes);
	for (let byte = 0; byte < size; byte++) {
		for (let element = 0; element < count; element++) {
			result[element * size + byte] = bytes[byte * count + element] ?? 0;
		}
	}
	return result;
}
