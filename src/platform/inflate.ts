import { inflateRawSync } from 'node:zlib';

/** Inflates raw deflate data with zlib, which stops as soon as the result is longer than `size` bytes. */
export function inflate(bytes: Uint8Array, size: number): Uint8Array {
	return inflateRawSync(bytes, { maxOutputLength: Math.max(size, 1) });
}
