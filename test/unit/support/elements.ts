/** Element types as test models are written with them: codes, typed field, and encoding to little-endian bytes. */

interface ElementType {
	/** TensorProto.DataType. */
	readonly code: number;
	readonly bits: number;
	/** Number of the typed field in TensorProto: 4 float_data, 5 int32_data, 7 int64_data, 10 double_data, 11 uint64_data. */
	readonly field: number;
	readonly integer: boolean;
}

export const ELEMENT_TYPES = {
	float32: { code: 1, bits: 32, field: 4, integer: false },
	uint8: { code: 2, bits: 8, field: 5, integer: true },
	int8: { code: 3, bits: 8, field: 5, integer: true },
	uint16: { code: 4, bits: 16, field: 5, integer: true },
	int16: { code: 5, bits: 16, field: 5, integer: true },
	int32: { code: 6, bits: 32, field: 5, integer: true },
	int64: { code: 7, bits: 64, field: 7, integer: true },
	string: { code: 8, bits: 0, field: 6, integer: false },
	bool: { code: 9, bits: 8, field: 5, integer: true },
	float16: { code: 10, bits: 16, field: 5, integer: false },
	float64: { code: 11, bits: 64, field: 10, integer: false },
	uint32: { code: 12, bits: 32, field: 11, integer: true },
	uint64: { code: 13, bits: 64, field: 11, integer: true },
	bfloat16: { code: 16, bits: 16, field: 5, integer: false },
	uint4: { code: 21, bits: 4, field: 5, integer: true },
	int4: { code: 22, bits: 4, field: 5, integer: true },
} as const satisfies Record<string, ElementType>;

export type ElementTypeName = keyof typeof ELEMENT_TYPES;

export function elementBits(dtype: ElementTypeName): number {
	return ELEMENT_TYPES[dtype].bits;
}

/** The bytes of raw_data, or of an external data file: little-endian, 4-bit types two to a byte, low nibble first. */
export function rawElements(dtype: ElementTypeName, values: readonly (number | bigint)[]): Uint8Array {
	const bits = elementBits(dtype);
	const bytes = new Uint8Array(Math.ceil((values.length * bits) / 8));
	const view = new DataView(bytes.buffer);
	values.forEach((value, index) => {
		if (bits === 4) {
			bytes[index >> 1] = (bytes[index >> 1] ?? 0) | ((Number(value) & 15) << (4 * (index & 1)));
		} else {
			setElement(view, (index * bits) / 8, { dtype, value });
		}
	});
	return bytes;
}

function setElement(
	view: DataView,
	offset: number,
	{ dtype, value }: { dtype: ElementTypeName; value: number | bigint },
): void {
	switch (dtype) {
		case 'float32':
			view.setFloat32(offset, Number(value), true);
			break;
		case 'float64':
			view.setFloat64(offset, Number(value), true);
			break;
		case 'float16':
			view.setUint16(offset, float16Bits(Number(value)), true);
			break;
		case 'bfloat16':
			view.setUint16(offset, bfloat16Bits(Number(value)), true);
			break;
		default: {
			const bytes = elementBits(dtype) / 8;
			const bits = BigInt.asUintN(64, BigInt(value));
			for (let byte = 0; byte < bytes; byte++) {
				view.setUint8(offset + byte, Number((bits >> BigInt(8 * byte)) & 255n));
			}
		}
	}
}

/** Bits of the float16 nearest to `value`, ties to even. */
export function float16Bits(value: number): number {
	const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
	const magnitude = Math.abs(value);
	if (Number.isNaN(value)) {
		return 0x7e00;
	}
	if (magnitude >= 65520) {
		return sign | 0x7c00;
	}
	const exponent = Math.max(-14, Math.floor(Math.log2(magnitude)));
	const steps = roundToEven(magnitude / 2 ** (exponent - 10));
	// Subnormals have no hidden bit; a step count of 2048 carries into the exponent by plain addition.
	return sign | (exponent === -14 ? steps : ((exponent + 14) << 10) + steps);
}

/** Bits of the bfloat16 nearest to `value`, ties to even: rounded once, not to float32 before. */
export function bfloat16Bits(value: number): number {
	const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
	const magnitude = Math.abs(value);
	if (Number.isNaN(value)) {
		return 0x7fc0;
	}
	if (magnitude >= 2 ** 128) {
		return sign | 0x7f80;
	}
	const exponent = Math.max(-126, Math.floor(Math.log2(magnitude)));
	const steps = roundToEven(magnitude / 2 ** (exponent - 7));
	// As above; a step count of 256 at the largest exponent makes infinity.
	return sign | (exponent === -126 ? steps : ((exponent + 126) << 7) + steps);
}

function roundToEven(value: number): number {
	const floor = Math.floor(value);
	const rest = value - floor;
	return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
