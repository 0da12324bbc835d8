import type { DataTypeCode, DataTypeName } from './model.js';

interface ElementType {
	readonly name: DataTypeName;
	/** Bits of an element in raw_data; 0 for variable sizes. */
	readonly bits: number;
	/** Number of the typed field that may replace raw_data. */
	readonly field: number;
}

/** TensorProto.DataType of onnx.proto3, with the typed fields 4 float, 5 int32, 6 string, 7 int64, 10 double, 11 uint64. */
const TYPES: Readonly<Record<DataTypeCode, ElementType>> = {
	0: { name: 'undefined', bits: 0, field: 0 },
	1: { name: 'float32', bits: 32, field: 4 },
	2: { name: 'uint8', bits: 8, field: 5 },
	3: { name: 'int8', bits: 8, field: 5 },
	4: { name: 'uint16', bits: 16, field: 5 },
	5: { name: 'int16', bits: 16, field: 5 },
	6: { name: 'int32', bits: 32, field: 5 },
	7: { name: 'int64', bits: 64, field: 7 },
	8: { name: 'string', bits: 0, field: 6 },
	9: { name: 'bool', bits: 8, field: 5 },
	10: { name: 'float16', bits: 16, field: 5 },
	11: { name: 'float64', bits: 64, field: 10 },
	12: { name: 'uint32', bits: 32, field: 11 },
	13: { name: 'uint64', bits: 64, field: 11 },
	14: { name: 'complex64', bits: 64, field: 4 },
	15: { name: 'complex128', bits: 128, field: 10 },
	16: { name: 'bfloat16', bits: 16, field: 5 },
	17: { name: 'float8e4m3fn', bits: 8, field: 5 },
	18: { name: 'float8e4m3fnuz', bits: 8, field: 5 },
	19: { name: 'float8e5m2', bits: 8, field: 5 },
	20: { name: 'float8e5m2fnuz', bits: 8, field: 5 },
	21: { name: 'uint4', bits: 4, field: 5 },
	22: { name: 'int4', bits: 4, field: 5 },
	23: { name: 'float4e2m1', bits: 4, field: 5 },
	24: { name: 'float8e8m0', bits: 8, field: 5 },
	25: { name: 'uint2', bits: 2, field: 5 },
	26: { name: 'int2', bits: 2, field: 5 },
};

const UNKNOWN: ElementType = { name: 'unknown', bits: 0, field: 0 };

const CODES: ReadonlyMap<string, DataTypeCode> = new Map(
	Object.entries(TYPES).map(([code, type]) => [type.name, Number(code)]),
);

/** Name of an element type; 'unknown' for newer codes. */
export function typeName(code: DataTypeCode): DataTypeName {
	return elementType(code).name;
}

/** TensorProto.DataType of an element type; 0 for 'unknown'. */
export function typeCode(name: DataTypeName): DataTypeCode {
	return CODES.get(name) ?? 0;
}

/** Returns the bits of an element in raw_data: 4 for types stored two to a byte, 0 for strings and unknown types. */
export function elementBits(code: DataTypeCode): number {
	return elementType(code).bits;
}

/** Returns TensorProto's typed field for this type; 0 if unknown. */
export function typedField(code: DataTypeCode): number {
	return elementType(code).field;
}

/** Returns the bytes of `count` elements in raw form. */
export function byteLength(code: DataTypeCode, count: number): number {
	return Math.ceil((count * elementBits(code)) / 8);
}

function elementType(code: DataTypeCode): ElementType {
	return TYPES[code] ?? UNKNOWN;
}
