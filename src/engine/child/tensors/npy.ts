import { product } from '../../../core/numbers/arrays.js';
import { InputError } from './errors.js';
import type { TensorData } from './tensor.js';

/** An array as NumPy stores it, row-major. */
export interface NpyArray {
	/** The runtime's name for the element type: float32, int64 … */
	readonly type: string;
	readonly shape: readonly number[];
	readonly data: TensorData;
}

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

/**
 * Maximum bytes of a header, NumPy's own limit (`max_header_size`). Also bounds the time that the patterns below take.
 */
const MAX_HEADER_BYTES = 10_000;

/** NumPy's type strings (little-endian or single bytes) -> the runtime's names. */
const TYPES: Readonly<Record<string, { readonly type: string; readonly make: (buffer: ArrayBuffer) => TensorData }>> = {
	'<f4': { type: 'float32', make: (buffer) => new Float32Array(buffer) },
	'<f8': { type: 'float64', make: (buffer) => new Float64Array(buffer) },
	'<f2': { type: 'float16', make: (buffer) => new Uint16Array(buffer) },
	'<i8': { type: 'int64', make: (buffer) => new BigInt64Array(buffer) },
	'<u8': { type: 'uint64', make: (buffer) => new BigUint64Array(buffer) },
	'<i4': { type: 'int32', make: (buffer) => new Int32Array(buffer) },
	'<u4': { type: 'uint32', make: (buffer) => new Uint32Array(buffer) },
	'<i2': { type: 'int16', make: (buffer) => new Int16Array(buffer) },
	'<u2': { type: 'uint16', make: (buffer) => new Uint16Array(buffer) },
	'|i1': { type: 'int8', make: (buffer) => new Int8Array(buffer) },
	'|u1': { type: 'uint8', make: (buffer) => new Uint8Array(buffer) },
	'|b1': { type: 'bool', make: (buffer) => new Uint8Array(buffer) },
};

/** Facts from the header of a .npy file. */
export interface NpyHeader {
	readonly type: string;
	readonly shape: readonly number[];
	readonly isColumnMajor: boolean;
	/** Position of the first element in the file, and size of an element, in bytes. */
	readonly dataOffset: number;
	readonly elementBytes: number;
}

/** Bytes from which {@link parseNpyHeader} reads any header. */
export const NPY_HEADER_BYTES = MAX_HEADER_BYTES + 12;

/**
 * Parses the header of a .npy file (format versions 1 to 3, numpy.lib.format).
 * @param bytes the file, or at least its first {@link NPY_HEADER_BYTES} bytes
 * @param name name of the file in messages
 * @throws {InputError} for anything else, and for a big-endian or structured dtype
 */
export function parseNpyHeader(bytes: Uint8Array, name: string): NpyHeader {
	if (MAGIC.some((byte, i) => bytes[i] !== byte)) {
		throw new InputError(`${name} is not a .npy file: it does not begin with NumPy's magic bytes.`);
	}
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const wide = bytes[6] >= 2;
	const start = wide ? 12 : 10;
	if (bytes.length < start) {
		throw new InputError(`${name} ends inside its header; write it again with numpy.save.`);
	}
	const headerLength = wide ? view.getUint32(8, true) : view.getUint16(8, true);
	if (headerLength > MAX_HEADER_BYTES) {
		throw new InputError(
			`${name} has a header of ${headerLength} bytes, more than the ${MAX_HEADER_BYTES} that NumPy reads; write it again with numpy.save.`,
		);
	}
	const header = new TextDecoder('latin1').decode(bytes.subarray(start, start + headerLength));
	const descr = /'descr'\s*:\s*'([^']+)'/.exec(header)?.[1];
	const order = /'fortran_order'\s*:\s*(True|False)/.exec(header)?.[1];
	const dims = /'shape'\s*:\s*\(([^)]*)\)/.exec(header)?.[1];
	const known = descr === undefined ? undefined : TYPES[descr];
	if (order === undefined || dims === undefined || descr === undefined) {
		throw new InputError(`${name} has a .npy header that cannot be read; write it again with numpy.save.`);
	}
	if (known === undefined) {
		throw new InputError(
			`${name} holds elements of NumPy type ${descr}, which no model input takes; convert it, for example with .astype('<f4').`,
		);
	}
	const shape = dims
		.split(',')
		.map((text) => text.trim())
		.filter((text) => text !== '')
		.map(Number);
	if (shape.some((size) => !Number.isInteger(size) || size < 0)) {
		throw new InputError(`${name} has shape (${dims}), which no array has; write it again with numpy.save.`);
	}
	const elementBytes = known.make(new ArrayBuffer(8)).BYTES_PER_ELEMENT;
	const dataOffset = start + headerLength;
	return { type: known.type, shape, isColumnMajor: order === 'True', dataOffset, elementBytes };
}

/**
 * Parses a .npy file.
 * @param name name of the file in messages
 * @throws {InputError} as {@link parseNpyHeader}, and for too few bytes
 */
export function parseNpy(bytes: Uint8Array, name: string): NpyArray {
	const { type, shape, isColumnMajor, dataOffset, elementBytes } = parseNpyHeader(bytes, name);
	const size = product(shape) * elementBytes;
	const data = bytes.subarray(dataOffset, dataOffset + size);
	requireBytes({ type, shape, name }, size, data.byteLength);
	const elements = toElements(type, data);
	return { type, shape, data: isColumnMajor ? toRowMajor(elements, shape) : elements };
}

/** @param size bytes that the shape needs @throws {InputError} when fewer are there */
export function requireBytes(
	{ type, shape, name }: Pick<NpyArray, 'type' | 'shape'> & { readonly name: string },
	size: number,
	present: number,
): void {
	if (!Number.isSafeInteger(size) || present < size) {
		const [descr] = Object.entries(TYPES).find(([, known]) => known.type === type) ?? [type];
		const dims = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
		throw new InputError(
			`${name} ends early: shape (${dims}) of ${descr} needs ${size} bytes of data, ${present} are there.`,
		);
	}
}

/** Returns elements as an array of a type that {@link parseNpyHeader} returned. Copies them, since they may be unaligned. */
export function toElements(type: string, bytes: Uint8Array): TensorData {
	const known = Object.values(TYPES).find((each) => each.type === type);
	if (!known) {
		throw new Error(`NumPy has no element type for ${type}.`);
	}
	// slice() of a Buffer would not copy.
	return known.make(new Uint8Array(bytes).buffer);
}

function toRowMajor<T extends TensorData>(columnMajor: T, shape: readonly number[]): T {
	const rowMajor = columnMajor.slice() as T;
	const index = shape.map(() => 0);
	for (let row = 0; row < rowMajor.length; row++) {
		let column = 0;
		for (let axis = shape.length - 1; axis >= 0; axis--) {
			column = column * shape[axis] + index[axis];
		}
		rowMajor[row] = columnMajor[column];
		for (let axis = shape.length - 1; axis >= 0 && ++index[axis] === shape[axis]; axis--) {
			index[axis] = 0;
		}
	}
	return rowMajor;
}

/** A .npy file (version 1.0) of row-major `data`. */
export function encodeNpy(array: NpyArray): Uint8Array {
	const descr = Object.entries(TYPES).find(([, known]) => known.type === array.type)?.[0];
	if (descr === undefined) {
		throw new InputError(`NumPy has no element type for ${array.type}.`);
	}
	const dims = array.shape.length === 1 ? `${array.shape[0]},` : array.shape.join(', ');
	const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${dims}), }`;
	// Data begin at a multiple of 64 bytes, as numpy.lib.format requires.
	const padded = `${header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11)}\n`;
	const data = new Uint8Array(array.data.buffer, array.data.byteOffset, array.data.byteLength);
	const bytes = new Uint8Array(10 + padded.length + data.length);
	bytes.set([...MAGIC, 1, 0, padded.length & 0xff, padded.length >> 8]);
	bytes.set(new TextEncoder().encode(padded), 10);
	bytes.set(data, 10 + padded.length);
	return bytes;
}
