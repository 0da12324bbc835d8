import type { DataTypeName } from '../../onnx/model.js';
import { failure, type Result, success } from '../../result.js';
import type { Cursor } from './cursor.js';

/** Type of a dataset's or attribute's elements. */
export type ElementType =
	| { readonly kind: 'number'; readonly dtype: DataTypeName; readonly size: number }
	/** Bytes of a fixed length, padded with zeros or spaces. */
	| { readonly kind: 'text'; readonly size: number }
	/** References to texts in global heaps. */
	| { readonly kind: 'heap-text'; readonly size: number }
	/** Bytes of a meaning that the file does not state. */
	| { readonly kind: 'opaque'; readonly size: number };

const CLASS = { integer: 0, float: 1, text: 3, opaque: 5, enumeration: 8, variable: 9 } as const;

const CLASS_NAMES: readonly string[] = [
	...['integers', 'floats', 'times', 'texts', 'bit fields', 'opaque bytes'],
	...['records', 'references', 'an enumeration', 'lists', 'arrays', 'complex numbers'],
];

/**
 * Reads a datatype message, section IV.A.2.d of the format.
 * @returns the type, or a clause that follows "because"
 */
export function readDatatype(cursor: Cursor): Result<ElementType> {
	const type = cursor.uint8() & 15;
	const bits = cursor.unsigned(3);
	const size = cursor.uint32();
	if ((type === CLASS.integer || type === CLASS.float) && (bits & 1) !== 0) {
		return failure('its numbers are big-endian');
	}
	switch (type) {
		case CLASS.integer:
			return integerType(size, (bits & 8) !== 0);
		case CLASS.float:
			return floatType(cursor, size);
		case CLASS.text:
			return success({ kind: 'text', size });
		case CLASS.opaque:
			return success({ kind: 'opaque', size });
		case CLASS.enumeration:
			return enumerationType(cursor, bits, size);
		case CLASS.variable:
			return (bits & 15) === 1 ? success({ kind: 'heap-text', size }) : failure('its elements are lists');
		default:
			return failure(`its elements are ${CLASS_NAMES[type] ?? `of the unknown class ${type}`}`);
	}
}

function integerType(size: number, signed: boolean): Result<ElementType> {
	const dtype = (signed ? SIGNED : UNSIGNED)[size];
	return dtype ? success({ kind: 'number', dtype, size }) : failure(`its integers have ${size} bytes`);
}

const SIGNED: Readonly<Record<number, DataTypeName>> = { 1: 'int8', 2: 'int16', 4: 'int32', 8: 'int64' };
const UNSIGNED: Readonly<Record<number, DataTypeName>> = { 1: 'uint8', 2: 'uint16', 4: 'uint32', 8: 'uint64' };

/** Floats by their bits of exponent and mantissa. */
const FLOATS: Readonly<Record<string, DataTypeName>> = {
	'5+10': 'float16',
	'8+7': 'bfloat16',
	'8+23': 'float32',
	'11+52': 'float64',
};

function floatType(cursor: Cursor, size: number): Result<ElementType> {
	// Bit offset and precision, then location and size of exponent and mantissa.
	cursor.skip(5);
	const exponentBits = cursor.uint8();
	cursor.skip(1);
	const mantissaBits = cursor.uint8();
	const dtype = FLOATS[`${exponentBits}+${mantissaBits}`];
	return dtype && 8 * size === 1 + exponentBits + mantissaBits
		? success({ kind: 'number', dtype, size })
		: failure(`its floats have ${exponentBits} bits of exponent and ${mantissaBits} of mantissa`);
}

/** h5py writes truth values as an enumeration of two integers. */
function enumerationType(cursor: Cursor, bits: number, size: number): Result<ElementType> {
	const base = readDatatype(cursor);
	return base.ok && size === 1 && (bits & 0xffff) === 2 ? success({ kind: 'number', dtype: 'bool', size }) : base;
}

const NULL_SPACE = 2;

/**
 * Reads a dataspace message, section IV.A.2.b of the format.
 * @returns the sizes, empty for a scalar; a size of 0 for no elements at all
 */
export function readDims(cursor: Cursor): readonly number[] {
	const version = cursor.uint8();
	const rank = cursor.uint8();
	cursor.skip(1);
	if (version === 1) {
		cursor.skip(5);
	} else if (version !== 2) {
		throw cursor.error(`has a shape of the unknown version ${version}`);
	} else if (cursor.uint8() === NULL_SPACE) {
		return [0];
	}
	return Array.from({ length: rank }, () => cursor.length());
}
