import type { ByteSource } from '../../../core/onnx/source.js';

/** Bytes per read. Small enough to stay in the cache between the read and the copy. */
const CHUNK = 2 ** 20;

/** Bytes per parallel read. The threads of several reads share the work of faulting in fresh pages. */
const SHARE = 4 * CHUNK;

/**
 * Reads a model and appends `tail`, which protobuf merges.
 * @param bytes receives both; as long as both together
 */
export async function readWithTail(
	source: ByteSource,
	tail: Uint8Array = new Uint8Array(0),
	bytes: Uint8Array = new Uint8Array(source.size + tail.length),
): Promise<Uint8Array> {
	bytes.set(tail, source.size);
	if (source.readInto) {
		const reads: Promise<void>[] = [];
		for (let offset = 0; offset < source.size; offset += SHARE) {
			reads.push(source.readInto(bytes.subarray(offset, Math.min(offset + SHARE, source.size)), offset));
		}
		// Wait for all reads, then throw the failure that is first in the file, since it causes the later failures.
		const failure = (await Promise.allSettled(reads)).find(({ status }) => status === 'rejected');
		if (failure?.status === 'rejected') {
			throw failure.reason;
		}
		return bytes;
	}
	for (let offset = 0; offset < source.size; offset += CHUNK) {
		bytes.set(await source.read(offset, Math.min(CHUNK, source.size - offset)), offset);
	}
	return bytes;
}
