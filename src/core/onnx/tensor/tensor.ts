import { mapInto, product } from '../../numbers/arrays.js';
import { SMALL_FLOATS, type SmallFloatType, valueTable } from '../../numbers/small-floats.js';
import { OnnxError } from '../errors.js';
import type { Tensor, TensorRecord } from '../model.js';
import { elementBits, typeName } from '../types.js';
import { type RawTensor, readRawTensor, type TensorAccess, titleOf } from './raw-tensor.js';

export { type RawTensor, readRawTensor, type TensorAccess } from './raw-tensor.js';

/**
 * Reads a tensor's elements, in a single positional read.
 * @returns every value exactly: float32 and narrower floats as Float32Array, float64 and integers as Float64Array
 * @throws {OnnxError} `bad-tensor`, `external-data`, `limit`, `io`, or `unsupported` for strings, complex numbers and
 * 64-bit integers beyond 2^53
 */
export async function readTensor(record: TensorRecord, access: TensorAccess): Promise<Tensor> {
	const raw = await readRawTensor(record, access);
	return { dataType: raw.dataType, dims: raw.dims, data: decodeElements(raw, titleOf(record, access)) };
}

/**
 * Decodes bytes in the layout of raw_data. `bytes` begins its buffer and may become the result's memory.
 * @param title subject of the error's sentence
 * @throws {OnnxError} `unsupported`
 */
export function decodeElements({ dataType, dims, bytes }: RawTensor, title: string): Float32Array | Float64Array {
	const name = typeName(dataType);
	switch (name) {
		case 'float32':
			return new Float32Array(bytes.buffer);
		case 'float64':
			return new Float64Array(bytes.buffer);
		case 'int8':
			return new Float64Array(new Int8Array(bytes.buffer));
		case 'uint8':
			return new Float64Array(bytes);
		case 'bool':
			return mapInto(new Float64Array(bytes.length), bytes, (byte) => (byte === 0 ? 0 : 1));
		case 'int16':
			return new Float64Array(new Int16Array(bytes.buffer));
		case 'uint16':
			return new Float64Array(new Uint16Array(bytes.buffer));
		case 'int32':
			return new Float64Array(new Int32Array(bytes.buffer));
		case 'uint32':
			return new Float64Array(new Uint32Array(bytes.buffer));
		case 'int64':
			return safeIntegers(new BigInt64Array(bytes.buffer), title);
		case 'uint64':
			return safeIntegers(new BigUint64Array(bytes.buffer), title);
		case 'float8e8m0':
			return mapInto(new Float32Array(bytes.length), bytes, (byte) => (byte === 255 ? Number.NaN : 2 ** (byte - 127)));
		case 'uint4':
		case 'int4':
		case 'uint2':
		case 'int2': {
			const bits = elementBits(dataType);
			const codes = new Float64Array(unpack(bytes, bits, dims));
			const half = 2 ** (bits - 1);
			return name.startsWith('u') ? codes : codes.map((code) => (code < half ? code : code - 2 * half));
		}
		default:
			if (isSmallFloat(name)) {
				return lookUp(unpackCodes(bytes, elementBits(dataType), dims), valueTable(name));
			}
			throw new OnnxError('unsupported', `${title} holds ${name} numbers, which have no place in normalization.`);
	}
}

function isSmallFloat(name: string): name is SmallFloatType {
	return name in SMALL_FLOATS;
}

function lookUp(codes: Uint8Array | Uint16Array, table: Float32Array): Float32Array {
	return mapInto(new Float32Array(codes.length), codes, (code) => table[code] ?? Number.NaN);
}

/** Codes of 16, 8 or fewer bits. */
function unpackCodes(bytes: Uint8Array<ArrayBuffer>, bits: number, dims: readonly number[]): Uint8Array | Uint16Array {
	if (bits === 16) {
		return new Uint16Array(bytes.buffer);
	}
	return bits === 8 ? bytes : unpack(bytes, bits, dims);
}

/** Unpacks types below a byte. The first element is in the low bits, and the last byte may be padded. */
function unpack(bytes: Uint8Array, bits: number, dims: readonly number[]): Uint8Array {
	const codes = new Uint8Array(product(dims));
	const perByte = 8 / bits;
	const mask = 2 ** bits - 1;
	for (let index = 0; index < codes.length; index++) {
		codes[index] = ((bytes[Math.floor(index / perByte)] ?? 0) >> (bits * (index % perByte))) & mask;
	}
	return codes;
}

function safeIntegers(values: BigInt64Array | BigUint64Array, title: string): Float64Array {
	return mapInto<Float64Array, bigint>(new Float64Array(values.length), values, (value) => {
		const number = Number(value);
		if (!Number.isSafeInteger(number)) {
			throw new OnnxError('unsupported', `${title} holds the integer ${value}, too large to be exact here.`);
		}
		return number;
	});
}
