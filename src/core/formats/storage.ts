import type { ByteSource } from '../onnx/source.js';

/** Bytes behind tensors. They stay in the file until read. */
export interface Storage {
	/** Length in bytes, as the container declares it. */
	readonly bytes: number;
	/**
	 * Reads exactly `length` bytes at `offset` of the storage. The view may be overwritten by the next read.
	 * @throws {CheckpointError} `truncated`, `malformed` or `unsupported`
	 */
	read(offset: number, length: number): Promise<Uint8Array>;
	/** Returns the offset of the storage's first byte in the file; undefined if the bytes are compressed or pickled. */
	locate(): Promise<number | undefined>;
}

/** Returns the storage at a known range of the file. */
export function fileStorage(source: ByteSource, offset: number, bytes: number): Storage {
	return {
		bytes,
		read: (at, length) => source.read(offset + at, length),
		locate: async () => offset,
	};
}

/** Returns a storage of bytes in memory. */
export function memoryStorage(bytes: Uint8Array): Storage {
	return {
		bytes: bytes.length,
		read: async (at, length) => bytes.subarray(at, at + length),
		locate: async () => undefined,
	};
}
