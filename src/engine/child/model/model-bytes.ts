import type { ByteSource } from '../../../core/onnx/source.js';

/** Bytes asked for at once: small enough to stay in the cache between the read and the copy. */
const CHUNK = 2 ** 20;

/** Bytes of each of several reads at a time, whose threads share the work of making fresh pages. */
const SHARE = 4 * CHUNK;

/**
 * A model's bytes with `tail` after them, in one piece: protobuf merges the two messages.
 * @param bytes where to, if not into an allocation of its own: as long as both together
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
		// All of them to their ends, and of several failures the first in the file: the others follow from it.
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
