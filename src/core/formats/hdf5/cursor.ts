import { decodeText } from '../../onnx/text.js';
import type { CheckpointError } from '../errors.js';

/** Widths of fields, in bytes, as the superblock states them. */
export interface FieldWidths {
	readonly address: number;
	readonly length: number;
}

interface CursorContext {
	readonly widths: FieldWidths;
	malformed(problem: string): CheckpointError;
}

/** Reads consecutive fields of a structure in memory. All numbers are little-endian. */
export class Cursor {
	readonly bytes: Uint8Array;
	at = 0;
	readonly #view: DataView;
	readonly #context: CursorContext;
	readonly #part: string;

	/** @param part names the bytes in messages */
	constructor(bytes: Uint8Array, context: CursorContext, part: string) {
		this.bytes = bytes;
		this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
		this.#context = context;
		this.#part = part;
	}

	get remaining(): number {
		return this.bytes.length - this.at;
	}

	uint8(): number {
		return this.#view.getUint8(this.#take(1));
	}

	uint16(): number {
		return this.#view.getUint16(this.#take(2), true);
	}

	uint32(): number {
		return this.#view.getUint32(this.#take(4), true);
	}

	/** Reads an unsigned integer of 1 to 8 bytes; Infinity beyond 2^53, so that every comparison with a size refuses it. */
	unsigned(width: number): number {
		const start = this.#take(width);
		let value = 0;
		for (let index = start + width - 1; index >= start; index--) {
			value = value * 256 + (this.bytes[index] ?? 0);
		}
		return Number.isSafeInteger(value) ? value : Number.POSITIVE_INFINITY;
	}

	/** Reads an address; undefined if all its bits are set, which means that there is none. */
	address(): number | undefined {
		const width = this.#context.widths.address;
		const value = this.unsigned(width);
		return value === Number.POSITIVE_INFINITY || value === 2 ** (8 * width) - 1 ? undefined : value;
	}

	/** Reads an address that must be there. @throws {CheckpointError} `malformed` */
	target(): number {
		const address = this.address();
		if (address === undefined) {
			throw this.error('lacks an address');
		}
		return address;
	}

	length(): number {
		return this.unsigned(this.#context.widths.length);
	}

	/** @returns a view of the structure's own bytes */
	view(length: number): Uint8Array {
		const start = this.#take(length);
		return this.bytes.subarray(start, start + length);
	}

	/** @returns a cursor over the next bytes */
	part(length: number): Cursor {
		return new Cursor(this.view(length), this.#context, this.#part);
	}

	text(length: number): string {
		const start = this.#take(length);
		return decodeText(this.bytes, start, start + length);
	}

	skip(length: number): void {
		this.#take(length);
	}

	/** Moves to the next multiple of 8 bytes, or to the end. */
	align(): void {
		this.at = Math.min(this.bytes.length, (this.at + 7) & ~7);
	}

	/** @throws {CheckpointError} `malformed` if the next bytes are not `signature` */
	expect(signature: string): void {
		if (!this.accept(signature)) {
			throw this.error(`lacks its signature ${signature}`);
		}
	}

	/** Moves behind `signature` if the next bytes are it. */
	accept(signature: string): boolean {
		const end = this.at + signature.length;
		const found = end <= this.bytes.length && decodeText(this.bytes, this.at, end) === signature;
		this.at = found ? end : this.at;
		return found;
	}

	/** @param problem follows the name of the structure: "lacks an address" */
	error(problem: string): CheckpointError {
		return this.#context.malformed(`${this.#part} ${problem}`);
	}

	#take(length: number): number {
		const start = this.at;
		if (!(length >= 0 && length <= this.bytes.length - start)) {
			throw this.error(`is shorter than it says`);
		}
		this.at = start + length;
		return start;
	}
}
