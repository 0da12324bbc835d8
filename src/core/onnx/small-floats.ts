/**
 * Floating-point types below 32 bits, decoded exactly: every value of theirs is a float32. A type is its bits: sign,
 * exponent, mantissa, and what the topmost exponent means.
 */
interface SmallFloat {
	readonly exponentBits: number;
	readonly mantissaBits: number;
	readonly bias: number;
	/**
	 * What is no number. `ieee`: the topmost exponent holds infinities and NaN. `finite`: no infinities, all ones is NaN (fn).
	 * `unsigned-zero`: no infinities and no -0, whose code is the only NaN (fnuz). `none`: all are.
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

export type SmallFloatName = keyof typeof SMALL_FLOATS;

const tables = new Map<SmallFloatName, Float32Array>();

/** The value of every bit pattern of a type: 65,536 entries for the 16-bit ones, made on first use. */
export function valueTable(name: SmallFloatName): Float32Array {
	let table = tables.get(name);
	if (!table) {
		const format = SMALL_FLOATS[name];
		table = Float32Array.from({ length: 2 ** (1 + format.exponentBits + format.mantissaBits) }, (_, bits) =>
			decode(bits, format),
		);
		tables.set(name, table);
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
