import type { OnnxError } from './errors.js';

/** Wire types of the protobuf encoding; groups (3 and 4) were never used by ONNX and are refused. */
export const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** A 64-bit number in seven bits a byte. */
export const LONGEST_VARINT = 10;

/** Bytes in memory, beginning at offset `start` of the file. */
export interface LoadedBytes {
	readonly bytes: Uint8Array;
	readonly start: number;
}

/** Decodes numbers. Keeps the last varint in two halves, because most are small and few need 64 bits. */
export class WireReader {
	/** Offset behind the last varint. */
	after = 0;
	/** Its bits 0 to 31 and 32 to 63, both unsigned. */
	low = 0;
	high = 0;
	readonly #loaded: LoadedBytes;
	readonly #malformed: (what: string) => OnnxError;

	/** @param loaded may change its bytes between two reads */
	constructor(loaded: LoadedBytes, malformed: (what: string) => OnnxError) {
		this.#loaded = loaded;
		this.#malformed = malformed;
	}

	/** The number as uint64; beyond 2^53 it is rounded. */
	get unsigned(): number {
		return this.high * 2 ** 32 + this.low;
	}

	/** The number as int64; beyond ±2^53 it is rounded. */
	get signed(): number {
		return (this.high | 0) * 2 ** 32 + this.low;
	}

	/**
	 * Reads the varint at `position`, which must end before `end`; as many bytes must be loaded.
	 * @throws {OnnxError} `malformed` when it is longer than ten bytes or does not end
	 */
	varint(position: number, end: number): void {
		const { bytes, start } = this.#loaded;
		let at = position - start;
		const limit = Math.min(end - start, at + LONGEST_VARINT);
		let low = 0;
		let high = 0;
		for (let shift = 0; at < limit; shift += 7) {
			const byte = bytes[at++] ?? 0;
			if (shift < 28) {
				low |= (byte & 0x7f) << shift;
			} else if (shift === 28) {
				low |= (byte & 0x0f) << 28;
				high = (byte & 0x7f) >>> 4;
			} else {
				high |= (byte & 0x7f) << (shift - 32);
			}
			if (byte < 0x80) {
				this.low = low >>> 0;
				this.high = high >>> 0;
				this.after = at + start;
				return;
			}
		}
		const reason = limit - (position - start) < LONGEST_VARINT ? 'runs out of its message' : 'is longer than 64 bits';
		throw this.#malformed(`the number at byte ${position} ${reason}`);
	}

	float32(position: number): number {
		const { bytes, start } = this.#loaded;
		return new DataView(bytes.buffer, bytes.byteOffset + position - start, 4).getFloat32(0, true);
	}
}
