import { decodeText } from '../../../onnx/text.js';
import { CheckpointError, truncated } from '../../errors.js';
import type { CheckpointLimits } from '../../limits.js';

export interface PickleContext {
	/** Name of the file or of the entry in messages. */
	readonly path: string;
	readonly limits: CheckpointLimits;
}

const NEWLINE = 0x0a;

/** Reads the arguments of opcodes from bytes in memory. */
export class PickleReader {
	at: number;
	readonly #bytes: Uint8Array;
	readonly #view: DataView;
	readonly #context: PickleContext;

	constructor(bytes: Uint8Array, start: number, context: PickleContext) {
		this.at = start;
		this.#bytes = bytes;
		this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
		this.#context = context;
	}

	uint8(): number {
		return this.#view.getUint8(this.#take(1));
	}

	uint16(): number {
		return this.#view.getUint16(this.#take(2), true);
	}

	int32(): number {
		return this.#view.getInt32(this.#take(4), true);
	}

	uint32(): number {
		return this.#view.getUint32(this.#take(4), true);
	}

	/** Reads a big-endian double: the only big-endian number of the format. */
	float64(): number {
		return this.#view.getFloat64(this.#take(8), false);
	}

	/** Reads a length of 8 bytes. Lengths beyond 2^53 are rounded, but longer than any file. */
	length64(): number {
		return Number(this.#view.getBigUint64(this.#take(8), true));
	}

	/** @returns a view of the pickle's own bytes */
	bytes(length: number): Uint8Array {
		const start = this.#take(length);
		return this.#bytes.subarray(start, start + length);
	}

	text(length: number): string {
		const start = this.#take(length);
		return decodeText(this.#bytes, start, start + length);
	}

	/** Reads a little-endian integer in two's complement; a bigint if it is not exact as a number. */
	integer(length: number): number | bigint {
		const limit = this.#context.limits.integerBytes;
		if (length < 0 || length > limit) {
			throw this.error('limit', `an integer of ${length} bytes, more than the limit of ${limit} (integerBytes)`);
		}
		const bytes = this.bytes(length);
		let value = 0n;
		for (let index = length - 1; index >= 0; index--) {
			value = (value << 8n) | BigInt(bytes[index] ?? 0);
		}
		return narrow(BigInt.asIntN(8 * length, value));
	}

	/** Reads text up to the next line feed, which is consumed but not part of the result. */
	line(): string {
		const end = this.#bytes.indexOf(NEWLINE, this.at);
		if (end < 0) {
			this.#take(Number.POSITIVE_INFINITY);
		}
		const limit = this.#context.limits.nameBytes;
		if (end - this.at > limit) {
			throw this.error('limit', `a line of ${end - this.at} bytes, more than the limit of ${limit} (nameBytes)`);
		}
		const text = decodeText(this.#bytes, this.at, end);
		this.at = end + 1;
		return text;
	}

	/** Returns an error at the current position. `problem` follows "NAME has". */
	error(code: 'malformed' | 'limit' | 'unsupported', problem: string): CheckpointError {
		const advice = code === 'limit' ? '' : ': save the file again with torch.save';
		return new CheckpointError(
			code,
			`${this.#context.path} has ${problem} at byte ${this.at} of its pickle${advice}.`,
			this.at,
		);
	}

	/** Advances by `length` bytes and returns the position before. */
	#take(length: number): number {
		const start = this.at;
		if (!(length >= 0 && start + length <= this.#bytes.length)) {
			throw truncated(this.#context.path, this.#bytes.length, `the pickle's instruction at byte ${start}`);
		}
		this.at = start + length;
		return start;
	}
}

/** Returns an integer as a number where that is exact. */
export function narrow(value: bigint): number | bigint {
	const number = Number(value);
	return Number.isSafeInteger(number) ? number : value;
}
