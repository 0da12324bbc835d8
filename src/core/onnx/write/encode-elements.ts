import { toHalf } from '../../numbers/small-floats.js';
import type { DataTypeCode } from '../model.js';
import { typeName } from '../types.js';

/**
 * Encodes numbers as raw_data of a floating-point type, each rounded once to nearest, ties to even (IEEE 754). Rounding
 * to float32 on the way to a 16-bit type would round twice.
 * @returns undefined for types that are not float32, float64, float16 or bfloat16
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
			return new Uint8Array(Uint16Array.from(values, (value) => toHalf(value, name)).buffer);
		default:
			return undefined;
	}
}
