import type { FloatData, FloatType } from './types.js';

/** An IEEE-like binary format, as far as rounding to it and measuring in its last place need. */
export interface FloatFormat {
	/** Stored bits of the fraction. */
	readonly fractionBits: number;
	/** Exponent of the smallest normal number. */
	readonly minExponent: number;
	/** Smallest positive (subnormal) number. */
	readonly tiny: number;
	readonly max: number;
	readonly bytes: number;
}

export const FORMATS: Readonly<Record<FloatType, FloatFormat>> = {
	float64: { fractionBits: 52, minExponent: -1022, tiny: Number.MIN_VALUE, max: Number.MAX_VALUE, bytes: 8 },
	float32: { fractionBits: 23, minExponent: -126, tiny: 2 ** -149, max: (2 - 2 ** -23) * 2 ** 127, bytes: 4 },
	float16: { fractionBits: 10, minExponent: -14, tiny: 2 ** -24, max: 65504, bytes: 2 },
	bfloat16: { fractionBits: 7, minExponent: -126, tiny: 2 ** -133, max: (2 - 2 ** -7) * 2 ** 127, bytes: 2 },
};

const bits = new DataView(new ArrayBuffer(8));

/** Exponent e of |value| = 1.f * 2^e; for 0 and float64 subnormals -1023. */
function exponent(value: number): number {
	bits.setFloat64(0, value);
	return ((bits.getUint16(0) >> 4) & 0x7ff) - 1023;
}

/** Distance between neighbours of the format around `value` (finite, unrounded): the unit in the last place. */
export function ulp(value: number, format: FloatFormat): number {
	return 2 ** (Math.max(exponent(value), format.minExponent) - format.fractionBits);
}

/** `value` rounded to the format, ties to even, as IEEE 754 does: overflow gives an infinity. */
export function round(value: number, format: FloatFormat): number {
	if (!Number.isFinite(value) || format.fractionBits === 52) {
		return value;
	}
	const unit = ulp(value, format);
	const rounded = roundTiesToEven(value / unit) * unit;
	return Math.abs(rounded) <= format.max ? rounded : Math.sign(value) * Number.POSITIVE_INFINITY;
}

/** |value| < 2^25 here, so adding and taking away 1.5 * 2^52 leaves the nearest integer; the sign of zero is kept. */
function roundTiesToEven(value: number): number {
	const big = 1.5 * 2 ** 52;
	const rounded = value + big - big;
	return rounded === 0 ? value * 0 : rounded;
}

/** Unit in the last place of the format at `value` rounded to the format; where that overflows, at its largest number. */
export function ulpOfRounded(value: number, format: FloatFormat): number {
	return ulp(Math.min(Math.abs(round(value, format)), format.max), format);
}

/** A new array of the kind that holds `type`. */
export function createArray(type: FloatType, length: number): FloatData {
	return type === 'float32'
		? new Float32Array(length)
		: type === 'float64'
			? new Float64Array(length)
			: new Uint16Array(length);
}

/** @throws {TypeError} when `data` is not the kind of array that holds `type`. */
export function checkArray(name: string, data: FloatData, type: FloatType): void {
	const expected = createArray(type, 0).constructor;
	if (data.constructor !== expected) {
		throw new TypeError(`${name} is a ${data.constructor.name}, but ${type} elements need a ${expected.name}.`);
	}
}
