import type { DataTypeCode } from '../model.js';
import { SMALL_FLOATS } from '../small-floats.js';
import { typeName } from '../types.js';

/**
 * Encodes numbers as raw_data of a floating-point type, each rounded once to the nearest value, ties to even (IEEE 754).
 * Rounding to float32 on the way to a 16-bit type would round twice.
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
			return new Uint8Array(Uint16Array.from(values, (value) => roundToHalf(value, name)).buffer);
		default:
			return undefined;
	}
}

/** Bit pattern of the nearest value of a 16-bit type; too large a value becomes infinity. */
function roundToHalf(value: number, name: 'float16' | 'bfloat16'): number {
	const { mantissaBits, exponentBits, bias } = SMALL_FLOATS[name];
	const infinity = (2 ** exponentBits - 1) << mantissaBits;
	const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
	if (Number.isNaN(value)) {
		return infinity | (1 << (mantissaBits - 1));
	}
	const magnitude = Math.abs(value);
	// Below the smallest normal number the spacing no longer shrinks.
	const exponent = Math.max(exponentOf(magnitude), 1 - bias);
	const steps = roundToEven(magnitude / 2 ** (exponent - mantissaBits));
	// A normal number's leading bit adds one to the exponent field, and so does a carry out of the mantissa.
	return sign | Math.min(((exponent + bias - 1) << mantissaBits) + steps, infinity);
}

const view = new DataView(new ArrayBuffer(8));

/** floor(log2(value)) without the rounding of a logarithm; -1023 for subnormal numbers and zero. */
function exponentOf(value: number): number {
	view.setFloat64(0, value);
	return ((view.getUint16(0) >> 4) & 0x7ff) - 1023;
}

function roundToEven(value: number): number {
	const floor = Math.floor(value);
	const rest = value - floor;
	return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
