/**
 * float16 (IEEE binary16) and bfloat16 as bit patterns. Widening to float32 is exact; narrowing rounds once, from
 * float64, to nearest with ties to even: going through float32 would round twice.
 */

const pattern = new Uint32Array(1);
const single = new Float32Array(pattern.buffer);

function float16ToFloat32(bits: number): number {
	const sign = bits & 0x8000 ? -1 : 1;
	const exponent = (bits >> 10) & 0x1f;
	const fraction = bits & 0x3ff;
	if (exponent === 31) {
		return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
	}
	return sign * (exponent ? 2 ** (exponent - 25) * (fraction + 1024) : 2 ** -24 * fraction);
}

function bfloat16ToFloat32(bits: number): number {
	pattern[0] = bits << 16;
	return single[0];
}

export type HalfType = 'float16' | 'bfloat16';

const tables: Partial<Record<HalfType, Float32Array>> = {};

/** The value of each of the 65,536 patterns: 256 KiB, made when first asked for. */
function table(type: HalfType): Float32Array {
	let values = tables[type];
	if (!values) {
		const convert = type === 'float16' ? float16ToFloat32 : bfloat16ToFloat32;
		values = Float32Array.from({ length: 65536 }, (_, bits) => convert(bits));
		tables[type] = values;
	}
	return values;
}

/** The values of `length` patterns, `stride` apart. */
export function widen(
	source: Uint16Array,
	type: HalfType,
	{ start, stride, length }: { start: number; stride: number; length: number },
): Float32Array {
	const values = table(type);
	const widened = new Float32Array(length);
	for (let k = 0, i = start; k < length; k++, i += stride) {
		widened[k] = values[source[i]];
	}
	return widened;
}

const wide = new DataView(new ArrayBuffer(8));

/** Layout of a half format: stored fraction bits, exponent bias, pattern of infinity. */
const HALF = {
	float16: { fraction: 10, bias: 15, infinity: 0x7c00 },
	bfloat16: { fraction: 7, bias: 127, infinity: 0x7f80 },
} as const;

/** The pattern nearest to `value`. NaN becomes the canonical quiet NaN with its sign. */
export function toHalf(value: number, type: HalfType): number {
	const { fraction, bias, infinity } = HALF[type];
	wide.setFloat64(0, value);
	const sign = (wide.getUint16(0) & 0x8000) >>> 0;
	if (Number.isNaN(value)) {
		return sign | infinity | (1 << (fraction - 1));
	}
	const exponent = Math.max(((wide.getUint16(0) >> 4) & 0x7ff) - 1023, 1 - bias);
	// An integer of `fraction` + 1 bits or fewer: subnormals have no leading 1, and a carry moves to the next exponent.
	const big = 2 ** 52;
	const units = Math.abs(value) / 2 ** (exponent - fraction) + big - big;
	const magnitude = (exponent + bias - 1) * 2 ** fraction + units;
	return sign | Math.min(magnitude, infinity);
}
