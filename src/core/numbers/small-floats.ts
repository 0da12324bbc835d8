import { exponentOf } from './float-formats.js';

/** A floating-point type below 32 bits. Every value of such a type is a float32, so decoding is exact. */
interface SmallFloat {
	readonly exponentBits: number;
	readonly mantissaBits: number;
	readonly bias: number;
	/**
	 * Codes that are not finite numbers. `ieee`: the topmost exponent holds infinities and NaN. `finite` (fn): no
	 * infinities, all bits set is NaN. `unsigned-zero` (fnuz): no infinities, and the code of -0 is the only NaN. `none`:
	 * no such code.
	 */
	readonly special: 'ieee' | 'finite' | 'unsigned-zero' | 'none';
}

/** float8 types as in arXiv 2209.05433 and arXiv 2206.02915, float4e2m1 as in OCP Microscaling Formats 1.0. */
export const SMALL_FLOATS = {
	float16: { exponentBits: 5, mantissaBits: 10, bias: 15, special: 'ieee' },
	bfloat16: { exponentBits: 8, mantissaBits: 7, bias: 127, special: 'ieee' },
	float8e4m3fn: { exponentBits: 4, mantissaBits: 3, bias: 7, special: 'finite' },
	float8e4m3fnuz: { exponentBits: 4, mantissaBits: 3, bias: 8, special: 'unsigned-zero' },
	float8e5m2: { exponentBits: 5, mantissaBits: 2, bias: 15, special: 'ieee' },
	float8e5m2fnuz: { exponentBits: 5, mantissaBits: 2, bias: 16, special: 'unsigned-zero' },
	float4e2m1: { exponentBits: 2, mantissaBits: 1, bias: 1, special: 'none' },
} as const satisfies Record<string, SmallFloat>;

export type SmallFloatType = keyof typeof SMALL_FLOATS;

/** The 16-bit types that layers compute in. */
export type HalfType = 'float16' | 'bfloat16';

const tables = new Map<SmallFloatType, Float32Array>();

/** Returns the value of every bit pattern of a type. The 65,536 entries of a 16-bit type are made on first use. */
export function valueTable(type: SmallFloatType): Float32Array {
	let table = tables.get(type);
	if (!table) {
		const format = SMALL_FLOATS[type];
		table = Float32Array.from({ length: 2 ** (1 + format.exponentBits + format.mantissaBits) }, (_, bits) =>
			decode(bits, format),
		);
		tables.set(type, table);
	}
	return table;
}

function decode(bits: number, { exponentBits, mantissaBits, bias, special }: SmallFloat): number {
	const mantissa = bits & (2 ** mantissaBits - 1);
	const topExponent = 2 ** exponentBits - 1;
	const exponent = (bits >> mantissaBits) & topExponent;
	const sign = bits >> (mantissaBits + exponentBits) ? -1 : 1;
	if (special === 'unsigned-zero' && sign < 0 && exponent === 0 && mantissa === 0) {
		return Number.NaN;
	}
	if (exponent === topExponent && special === 'ieee') {
		return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
	}
	if (exponent === topExponent && special === 'finite' && mantissa === 2 ** mantissaBits - 1) {
		return Number.NaN;
	}
	const significand = exponent === 0 ? mantissa : mantissa + 2 ** mantissaBits;
	return sign * significand * 2 ** (Math.max(exponent, 1) - bias - mantissaBits);
}

/**
 * Widens `length` bit patterns of `source` from `start` on, `stride` apart.
 * @returns float32 values, which represent every 16-bit value exactly
 */
export function widen(
	source: Uint16Array,
	type: HalfType,
	{ start, stride, length }: { start: number; stride: number; length: number },
): Float32Array {
	const values = valueTable(type);
	const widened = new Float32Array(length);
	for (let k = 0, i = start; k < length; k++, i += stride) {
		widened[k] = values[source[i]];
	}
	return widened;
}

const wide = new DataView(new ArrayBuffer(8));

/**
 * Returns the bit pattern of the 16-bit number nearest to `value`, ties to even. Rounds once from float64, because going
 * through float32 would round twice. Overflow gives an infinity; NaN becomes the canonical quiet NaN with its sign.
 */
export function toHalf(value: number, type: HalfType): number {
	const { mantissaBits, exponentBits, bias } = SMALL_FLOATS[type];
	const infinity = (2 ** exponentBits - 1) << mantissaBits;
	wide.setFloat64(0, value);
	const sign = (wide.getUint16(0) & 0x8000) >>> 0;
	if (Number.isNaN(value)) {
		return sign | infinity | (1 << (mantissaBits - 1));
	}
	const exponent = Math.max(exponentOf(value), 1 - bias);
	// The units are an integer of at most `mantissaBits` + 1 bits. Subnormals lack the leading 1; a carry moves to the next exponent.
	const big = 2 ** 52;
	const units = Math.abs(value) / 2 ** (exponent - mantissaBits) + big - big;
	const magnitude = (exponent + bias - 1) * 2 ** mantissaBits + units;
	return sign | Math.min(magnitude, infinity);
}
