import { OnnxError } from '../errors.js';
import type { DataTypeCode, TensorStorage, TypedChunk } from '../model.js';
import type { ByteSource } from '../source.js';
import { elementBits, typedField, typeName } from '../types.js';
import { WireReader } from '../wire.js';

/** Typed fields by number: bytes of a fixed-size entry, else 0. */
const FIXED_BYTES: Readonly<Record<number, number>> = { 4: 4, 10: 8 };

interface Expected {
	readonly dataType: DataTypeCode;
	readonly count: number;
	/** Length of the result, in bytes. */
	readonly length: number;
	readonly title: string;
	readonly source: ByteSource;
}

/**
 * Reads float_data, int32_data, int64_data, double_data or uint64_data into the layout of raw_data, in a single read.
 * int32_data holds small integers by value, and 16-bit and 8-bit floats by bit pattern. Types below a byte are packed
 * (onnx.proto, TensorProto.int32_data).
 * @throws {OnnxError} `bad-tensor` when the field does not belong to the type or the number of entries is wrong
 */
export async function typedToRaw(
	storage: TensorStorage & { kind: 'typed' },
	expected: Expected,
): Promise<Uint8Array<ArrayBuffer>> {
	const { dataType, title, source, length, count } = expected;
	const { field, chunks } = storage;
	if (field !== typedField(dataType)) {
		const type = typeName(dataType);
		throw new OnnxError('bad-tensor', `${title} is ${type} but keeps its data in a field of another type.`);
	}
	const fixed = FIXED_BYTES[field] ?? 0;
	const stride = fixed || Math.max(elementBits(dataType), 8) / 8;
	// A varint has at least a byte, so dims that ask for more elements than bytes are refused before any allocation.
	const found = chunks.reduce((total, { span }) => total + span.length, 0);
	const most = fixed > 0 ? found : found * stride;
	if (length > most) {
		throw new OnnxError('bad-tensor', `${title} has at most ${most} bytes of data where its dims ask for ${length}.`);
	}
	const start = chunks[0]?.span.offset ?? 0;
	const last = chunks.at(-1)?.span ?? { offset: 0, length: 0 };
	const bytes = await source.read(start, last.offset + last.length - start);
	const output = new RawWriter(stride, length, title);
	const wire = new WireReader({ bytes, start }, (what) => new OnnxError('bad-tensor', `${title}: ${what}.`));
	for (const chunk of chunks) {
		copyChunk(chunk, { fixed, bytes, start, wire, output });
	}
	return output.finish(count);
}

interface Copying {
	readonly fixed: number;
	readonly bytes: Uint8Array;
	readonly start: number;
	readonly wire: WireReader;
	readonly output: RawWriter;
}

function copyChunk({ span, packed }: TypedChunk, { fixed, bytes, start, wire, output }: Copying): void {
	const end = span.offset + span.length;
	if (packed && fixed > 0) {
		output.copy(bytes, span.offset - start, span.length);
		return;
	}
	for (let at = span.offset; at < end; ) {
		if (!packed) {
			// The tag: the reader has seen that it is of this field.
			wire.varint(at, end);
			at = wire.after;
		}
		if (fixed > 0) {
			output.copy(bytes, at - start, fixed);
			at += fixed;
		} else {
			wire.varint(at, end);
			output.integer(wire.low, wire.high);
			at = wire.after;
		}
	}
}

/** Fills the bytes of a tensor from front to back, and checks the number of entries against dims and type. */
class RawWriter {
	readonly #view: DataView<ArrayBuffer>;
	readonly #stride: number;
	readonly #title: string;
	#at = 0;

	constructor(stride: number, length: number, title: string) {
		this.#view = new DataView(new ArrayBuffer(length));
		this.#stride = stride;
		this.#title = title;
	}

	/** Entries that are in the file as in raw_data. */
	copy(bytes: Uint8Array, from: number, length: number): void {
		this.#reserve(length);
		if (length > 8) {
			new Uint8Array(this.#view.buffer).set(bytes.subarray(from, from + length), this.#at);
		} else {
			for (let byte = 0; byte < length; byte++) {
				this.#view.setUint8(this.#at + byte, bytes[from + byte] ?? 0);
			}
		}
		this.#at += length;
	}

	/**
	 * An entry of an integer field, 64 bits in two halves.
	 * @throws {OnnxError} `bad-tensor` when it is beyond both the signed and the unsigned range of the element
	 */
	integer(low: number, high: number): void {
		const stride = this.#stride;
		this.#reserve(stride);
		if (stride === 8) {
			this.#view.setUint32(this.#at, low, true);
			this.#view.setUint32(this.#at + 4, high, true);
		} else {
			const value = (high | 0) * 2 ** 32 + low;
			if (value >= 2 ** (8 * stride) || value < -(2 ** (8 * stride - 1))) {
				throw new OnnxError('bad-tensor', `${this.#title} has the entry ${value}, too large for its element type.`);
			}
			for (let byte = 0; byte < stride; byte++) {
				this.#view.setUint8(this.#at + byte, low >>> (8 * byte));
			}
		}
		this.#at += stride;
	}

	finish(count: number): Uint8Array<ArrayBuffer> {
		if (this.#at !== this.#view.byteLength) {
			throw this.#wrongLength(`only ${this.#at}`, count);
		}
		return new Uint8Array(this.#view.buffer);
	}

	#reserve(length: number): void {
		if (this.#at + length > this.#view.byteLength) {
			throw this.#wrongLength(`more than ${this.#view.byteLength}`);
		}
	}

	#wrongLength(found: string, count?: number): OnnxError {
		const wanted = count === undefined ? '' : ` where ${count} elements take ${this.#view.byteLength}`;
		return new OnnxError('bad-tensor', `${this.#title} has ${found} bytes of data${wanted}.`);
	}
}
