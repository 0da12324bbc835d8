import { type ByteSource, memorySource } from '../../../src/core/onnx/source.js';

/** A source that tells what was read of it: laziness is proved by counting. */
export interface CountingSource extends ByteSource {
	/** Every read so far. */
	readonly reads: readonly { readonly offset: number; readonly length: number }[];
	/** Sum of their lengths. */
	readonly bytesRead: number;
}

export function countingSource(bytes: Uint8Array, name = 'model.onnx'): CountingSource {
	const inner = memorySource(bytes, name);
	const reads: { offset: number; length: number }[] = [];
	return {
		name,
		size: bytes.length,
		reads,
		get bytesRead() {
			return reads.reduce((total, { length }) => total + length, 0);
		},
		read(offset, length) {
			reads.push({ offset, length });
			return inner.read(offset, length);
		},
	};
}
