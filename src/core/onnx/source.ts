import { OnnxError } from './errors.js';

/**
 * Port for a model's bytes: the reader's only access to its environment. Adapters live with their environment (a file
 * descriptor in engine and command line, a whole-file read for VS Code's virtual file systems in the host). {@link
 * memorySource} serves tests and bytes in memory.
 */
export interface ByteSource {
	/** Name of the source in messages: a path or a URI. */
	readonly name: string;
	/** Length in bytes when it was opened. */
	readonly size: number;
	/**
	 * Reads exactly `length` bytes at `offset`. The result may be a view that is valid until the next read only, so
	 * callers copy the bytes that they keep.
	 * @throws {OnnxError} `io` when fewer bytes are there (the file shrank, vanished or cannot be read).
	 */
	read(offset: number, length: number): Promise<Uint8Array>;
	/** Fills `target` with the bytes at `offset`; saves a copy. @throws {OnnxError} as `read` does. */
	readInto?(target: Uint8Array, offset: number): Promise<void>;
}

/** Opens external data files beside a model. `location` has been checked to stay in the folder. */
export interface ExternalFiles {
	/** @throws {OnnxError} `external-data` when the file is missing, is not a regular file, or leads out of the folder. */
	open(location: string): Promise<ByteSource>;
}

/** Bytes already in hand as a source. */
export function memorySource(bytes: Uint8Array, name: string): ByteSource {
	return {
		name,
		size: bytes.length,
		async read(offset, length) {
			if (offset + length > bytes.length) {
				throw new OnnxError('io', `${name} ends at byte ${bytes.length}, before byte ${offset + length}.`, offset);
			}
			return bytes.subarray(offset, offset + length);
		},
	};
}
