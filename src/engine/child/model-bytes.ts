import type { ByteSource } from '../../core/onnx/source.js';

/** Bytes asked for at once: small enough to stay in the cache between the read and the copy. */
const CHUNK = 2 ** 20;

/** A model's bytes with `tail` after them, in one allocation: protobuf merges the two messages. */
export async function readWithTail(source: ByteSource, tail: Uint8Array = new Uint8Array(0)): Promise<Uint8Array> {
	const bytes = new Uint8Array(source.size + tail.length);
	for (let offset = 0; offset < source.size; offset += CHUNK) {
		bytes.set(await source.read(offset, Math.min(CHUNK, source.size - offset)), offset);
	}
	bytes.set(tail, source.size);
	return bytes;
}
