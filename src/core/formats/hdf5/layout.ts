import { failure, type Result, success } from '../../result.js';
import type { Cursor } from './cursor.js';

/** Place of a dataset's elements. */
export type Layout =
	| { readonly kind: 'compact'; readonly bytes: Uint8Array }
	| { readonly kind: 'contiguous'; readonly address: number | undefined; readonly size: number }
	| ChunkedLayout;

export interface ChunkedLayout {
	readonly kind: 'chunked';
	/** Sizes of a chunk, in elements. */
	readonly chunk: readonly number[];
	readonly index: ChunkIndex;
}

export type ChunkIndex =
	/** A B-tree of version 1. */
	| { readonly kind: 'tree'; readonly address: number | undefined }
	/** `bytes`: stored size of a filtered chunk; undefined without filters. */
	| {
			readonly kind: 'single';
			readonly address: number | undefined;
			readonly bytes: number | undefined;
			readonly mask: number;
	  }
	| { readonly kind: 'implicit'; readonly address: number | undefined }
	/** `wideSizes`: sizes of filtered chunks are as wide as lengths, since version 5. */
	| { readonly kind: 'fixed'; readonly address: number | undefined; readonly wideSizes: boolean };

const COMPACT = 0;
const CONTIGUOUS = 1;
const CHUNKED = 2;

/**
 * Reads a data layout message, section IV.A.2.i of the format, of versions 3 to 5.
 * @returns the layout, or a clause that follows "because"
 */
export function readLayout(cursor: Cursor): Result<Layout> {
	const version = cursor.uint8();
	const kind = cursor.uint8();
	if (version < 3 || version > 5) {
		return failure(`its layout is of version ${version}, which is not read here`);
	}
	if (kind === COMPACT) {
		return success({ kind: 'compact', bytes: cursor.view(cursor.uint16()) });
	}
	if (kind === CONTIGUOUS) {
		return success({ kind: 'contiguous', address: cursor.address(), size: cursor.length() });
	}
	if (kind !== CHUNKED) {
		return failure('its values are parts of other datasets');
	}
	return version === 3 ? success(readTreeLayout(cursor)) : readIndexedLayout(cursor, version);
}

function readTreeLayout(cursor: Cursor): ChunkedLayout {
	const rank = cursor.uint8();
	const address = cursor.address();
	// The last size is that of an element.
	const chunk = Array.from({ length: rank }, () => cursor.uint32()).slice(0, -1);
	return { kind: 'chunked', chunk, index: { kind: 'tree', address } };
}

const FILTERED_SINGLE = 0x02;
const SINGLE = 1;
const IMPLICIT = 2;
const FIXED = 3;

function readIndexedLayout(cursor: Cursor, version: number): Result<ChunkedLayout> {
	const flags = cursor.uint8();
	const rank = cursor.uint8();
	const width = cursor.uint8();
	if (width < 1 || width > 8) {
		throw cursor.error(`has sizes of ${width} bytes`);
	}
	const chunk = Array.from({ length: rank }, () => cursor.unsigned(width)).slice(0, -1);
	const type = cursor.uint8();
	if (type === SINGLE) {
		const filtered = (flags & FILTERED_SINGLE) !== 0;
		const bytes = filtered ? cursor.length() : undefined;
		const mask = filtered ? cursor.uint32() : 0;
		return success({ kind: 'chunked', chunk, index: { kind: 'single', bytes, mask, address: cursor.address() } });
	}
	if (type === IMPLICIT) {
		return success({ kind: 'chunked', chunk, index: { kind: 'implicit', address: cursor.address() } });
	}
	if (type === FIXED) {
		cursor.skip(1);
		return success({
			kind: 'chunked',
			chunk,
			index: { kind: 'fixed', address: cursor.address(), wideSizes: version > 4 },
		});
	}
	return failure('its shape may grow, and such a list of chunks is not read here');
}
