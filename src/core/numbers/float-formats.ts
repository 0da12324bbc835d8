/** Element types with known rounding. */
export type FloatType = 'float64' | 'float32' | 'float16' | 'bfloat16';

/** An IEEE-like binary format. */
export interface FloatFormat {
	/** Stored bits of the fraction. */
	readonly fractionBits: number;
	/** Exponent of the smallest normal number. */
	readonly minExponent: number;
	/** Half the distance from 1 to the next larger number. */
	readonly unitRoundoff: number;
	/** Smallest positive (subnormal) number, which is the distance between neighbors near zero. */
	readonly tiny: number;
	/** Largest finite number. */
	readonly max: number;
	/** Size of an element, in bytes. */
	readonly bytes: number;
}

export const FLOAT_FORMATS: Readonly<Record<FloatType, FloatFormat>> = {
	float64: { ...binaryFormat(52, -1022), tiny: Number.MIN_VALUE, max: Number.MAX_VALUE, bytes: 8 },
	float32: { ...binaryFormat(23, -126), tiny: 2 ** -149, max: (2 - 2 ** -23) * 2 ** 127, bytes: 4 },
	float16: { ...binaryFormat(10, -14), tiny: 2 ** -24, max: 65504, bytes: 2 },
	bfloat16: { ...binaryFormat(7, -126), tiny: 2 ** -133, max: (2 - 2 ** -7) * 2 ** 127, bytes: 2 },
};

function binaryFormat(fractionBits: number, minExponent: number) {
	return { fractionBits, minExponent, unitRoundoff: 2 ** -(fractionBits + 1) };
}

/** True if `dtype` names a type of {@link FLOAT_FORMATS}. */
export function isFloatType(dtype: string): dtype is FloatType {
	return Object.hasOwn(FLOAT_FORMATS, dtype);
}

const bits = new DataView(new ArrayBuffer(8));

/** Returns the exponent e of |value| = 1.f * 2^e; -1023 for 0 and float64 subnormals. */
export function exponentOf(value: number): number {
	bits.setFloat64(0, value);
	return ((bits.getUint16(0) >> 4) & 0x7ff) - 1023;
}

const MIN_NORMAL_EXPONENT = -1022;

/** Returns 2^exponent from its bits: several times faster than `**`, in loops over every weight. */
function powerOfTwo(exponent: number): number {
	if (exponent < MIN_NORMAL_EXPONENT) {
		return 2 ** exponent;
	}
	bits.setUint32(0, (exponent + 1023) << 20);
	bits.setUint32(4, 0);
	return bits.getFloat64(0);
}

/** Returns the unit in the last place at `value` (finite, not rounded): the distance between neighbors of the type. */
export function ulp(value: number, type: FloatType): number {
	const { fractionBits, minExponent } = FLOAT_FORMATS[type];
	return powerOfTwo(Math.max(exponentOf(value), minExponent) - fractionBits);
}

/**
 * Rounds a float64 to the nearest number of a type, ties to even (IEEE 754). Rounds once, without float32 in between.
 * Overflow gives an infinity; NaN and the sign of zero stay.
 */
export function roundTo(value: number, type: FloatType): number {
	if (type === 'float64' || value === 0 || !Number.isFinite(value)) {
		return value;
	}
	if (type === 'float32') {
		return Math.fround(value);
	}
	const unit = ulp(value, type);
	const rounded = roundTiesToEven(value / unit) * unit;
	return Math.abs(rounded) <= FLOAT_FORMATS[type].max ? rounded : Math.sign(value) * Number.POSITIVE_INFINITY;
}

/** Adds and subtracts 1.5 * 2^52, which leaves the nearest integer because |value| < 2^51. Keeps the sign of zero. */
function roundTiesToEven(value: number): number {
	const big = 1.5 * 2 ** 52;
	const rounded = value + big - big;
	return rounded === 0 ? value * 0 : rounded;
}

/** Returns the ulp at `value` rounded to the type, or at the type's largest number if rounding overflows. */
export function ulpOfRounded(value: number, type: FloatType): number {
	return ulp(Math.min(Math.abs(roundTo(value, type)), FLOAT_FORMATS[type].max), type);
}

/** True if all values are numbers of the type, or NaN. */
export function areRepresentable(values: ArrayLike<number>, type: FloatType): boolean {
	for (let index = 0; index < values.length; index++) {
		const value = values[index];
		if (roundTo(value, type) !== value && !Number.isNaN(value)) {
			return false;
		}
	}
	return true;
}
