import { FLOAT_FORMATS, type FloatName } from '../../batchnorm/bound.js';

/** Significand bits (the hidden one included) and smallest normal exponent of the types that weights come in. */
const PRECISION: Readonly<Record<FloatName, { readonly bits: number; readonly minExponent: number }>> = {
	float64: { bits: 53, minExponent: -1022 },
	float32: { bits: 24, minExponent: -126 },
	float16: { bits: 11, minExponent: -14 },
	bfloat16: { bits: 8, minExponent: -126 },
};

const scratch = new DataView(new ArrayBuffer(8));

/** Exponent e of |x| = m * 2^e with 1 <= m < 2; -1023 for zero and float64 subnormals. */
function exponentOf(x: number): number {
	scratch.setFloat64(0, x);
	return ((scratch.getUint16(0) >> 4) & 0x7ff) - 1023;
}

/** Distance between neighbours of `dtype` at x: one unit in the last place. Finite x. */
export function unitInLastPlace(x: number, dtype: FloatName): number {
	const { bits, minExponent } = PRECISION[dtype];
	return powerOfTwo(Math.max(exponentOf(x), minExponent) - (bits - 1));
}

/** 2^exponent from its bits: several times faster than `**`, in loops over every weight. */
function powerOfTwo(exponent: number): number {
	if (exponent < LEAST_NORMAL) {
		return 2 ** exponent;
	}
	scratch.setUint32(0, (exponent + 1023) << 20);
	scratch.setUint32(4, 0);
	return scratch.getFloat64(0);
}

const LEAST_NORMAL = -1022;

/**
 * Rounds a float64 to the nearest number of `dtype`, ties to even, once: no detour over float32, which would round
 * twice. Overflow gives an infinity, NaN stays.
 */
export function roundTo(x: number, dtype: FloatName): number {
	if (dtype === 'float64' || x === 0 || !Number.isFinite(x)) {
		return x;
	}
	if (dtype === 'float32') {
		return Math.fround(x);
	}
	const unit = unitInLastPlace(x, dtype);
	const quotient = x / unit;
	// Adding and subtracting 1.5 * 2^52 rounds to an integer, ties to even; the quotient is far below 2^51.
	const rounded = (quotient + 6755399441055744 - 6755399441055744) * unit;
	return Math.abs(rounded) > FLOAT_FORMATS[dtype].max ? Math.sign(x) * Number.POSITIVE_INFINITY : rounded;
}

/** True when every value is a number of `dtype`. */
export function representable(values: ArrayLike<number>, dtype: FloatName): boolean {
	for (let index = 0; index < values.length; index++) {
		const value = values[index];
		if (roundTo(value, dtype) !== value && !Number.isNaN(value)) {
			return false;
		}
	}
	return true;
}
