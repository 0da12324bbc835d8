import { mapInto } from '../../numbers/arrays.js';
import { toHalf } from '../../numbers/small-floats.js';
import type { DataTypeCode } from '../model.js';
import { elementBits, typeName } from '../types.js';

/**
 * Encodes numbers as raw_data of a floating-point type, each rounded once to nearest, ties to even (IEEE 754). Rounding
 * to float32 on the way to a 16-bit type would round twice. Integer types of up to 32 bits take integers of their range;
 * types of 4 and 2 bits are packed, the first element in the lowest bits.
 * @returns undefined for other types
 */
export function encodeElements(dataType: DataTypeCode, values: ArrayLike<number>): Uint8Array<ArrayBuffer> | undefined {
	const name = typeName(dataType);
	switch (name) {
		case 'float32':
			return new Uint8Array(Float32Array.from(values).buffer);
		case 'float64':
			return new Uint8Array(Float64Array.from(values).buffer);
		case 'float16':
		case 'bfloat16':
			return new Uint8Array(mapInto(new Uint16Array(values.length), values, (value) => toHalf(value, name)).buffer);
		case 'int8':
			return new Uint8Array(Int8Array.from(values).buffer);
		case 'uint8':
			return Uint8Array.from(values);
		case 'int16':
			return new Uint8Array(Int16Array.from(values).buffer);
		case 'uint16':
			return new Uint8Array(Uint16Array.from(values).buffer);
		case 'int32':
			return new Uint8Array(Int32Array.from(values).buffer);
		case 'int4':
		case 'uint4':
		case 'int2':
		case 'uint2':
			return packed(values, elementBits(dataType));
		default:
			return undefined;
	}
}

/** Packs integers of fewer than 8 bits, the first in the lowest bits of a byte. */
function packed(values: ArrayLike<number>, bits: number): Uint8Array<ArrayBuffer> {
	const perByte = 8 / bits;
	const bytes = new Uint8Array(Math.ceil(values.length / perByte));
	for (let index = 0; index < values.length; index++) {
		bytes[Math.floor(index / perByte)] |= (values[index] & (2 ** bits - 1)) << (bits * (index % perByte));
	}
	return bytes;
}
