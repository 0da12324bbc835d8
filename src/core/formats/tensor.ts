import { product } from '../numbers/arrays.js';
import type { DataTypeName, Tensor } from '../onnx/model.js';
import { decodeElements } from '../onnx/tensor/tensor.js';
import { byteLength, elementBits, typeCode } from '../onnx/types.js';
import { failure, type Result, success } from '../result.js';
import { CheckpointError } from './errors.js';
import { type CheckpointLimits, DEFAULT_CHECKPOINT_LIMITS } from './limits.js';
import type { Storage } from './storage.js';

/** A tensor without its values: a view of a storage. */
export interface CheckpointTensor {
	/** Name in the file, for example "layer1.0.bn1.running_mean". */
	readonly name: string;
	readonly dtype: DataTypeName;
	readonly dims: readonly number[];
	readonly storage: Storage;
	/** Offset of the first element in the storage, in bytes. */
	readonly byteOffset: number;
	/** Strides in elements by axis; undefined if row-major without gaps. */
	readonly strides?: readonly number[];
}

/** A tensor that is in the file but cannot be read. */
export interface UnreadableTensor {
	readonly name: string;
	/** Clause for users that follows "because". */
	readonly reason: string;
}

/** A view as a file describes it, unchecked. */
export interface ViewDescription {
	readonly name: string;
	readonly dtype: DataTypeName;
	readonly dims: readonly number[];
	readonly storage: Storage;
	/** Offset in elements from the start of the storage. */
	readonly offset: number;
	/** Strides in elements, by axis. */
	readonly strides: readonly number[];
}

/**
 * Checks that a view lies in its storage.
 * @returns the tensor, or a clause that says which part of the description is wrong
 */
export function createTensor(
	{ name, dtype, dims, storage, offset, strides }: ViewDescription,
	limits: CheckpointLimits,
): Result<CheckpointTensor> {
	if (dims.length > limits.rank) {
		return failure(`it has ${dims.length} dimensions, more than the limit of ${limits.rank} (rank)`);
	}
	if (strides.length !== dims.length) {
		return failure(`it has ${dims.length} dimensions but ${strides.length} strides`);
	}
	const wrong = [...dims, ...strides, offset].find((value) => !Number.isSafeInteger(value) || value < 0);
	if (wrong !== undefined) {
		return failure(`its shape [${dims.join(', ')}], strides or offset contain ${wrong}`);
	}
	const count = elementCount(dims);
	if (!Number.isSafeInteger(count)) {
		return failure(`its shape [${dims.join(', ')}] has more elements than can be counted`);
	}
	const size = elementBits(typeCode(dtype)) / 8;
	const end = count === 0 ? 0 : (offset + lastIndex(dims, strides) + 1) * size;
	if (end > storage.bytes) {
		return failure(`it needs ${end} bytes of a storage that has ${storage.bytes}`);
	}
	const tensor = { name, dtype, dims, storage, byteOffset: count === 0 ? 0 : offset * size };
	return success(isRowMajor(dims, strides) || count === 0 ? tensor : { ...tensor, strides });
}

/** Contiguous elements of a tensor in the file. */
export interface FileRange {
	readonly offset: number;
	readonly length: number;
}

/** Returns the bytes of the file that hold a tensor's elements in row-major order; undefined if they must be gathered. */
export async function locateTensor(tensor: CheckpointTensor): Promise<FileRange | undefined> {
	const start = tensor.strides ? undefined : await tensor.storage.locate();
	return start === undefined
		? undefined
		: { offset: start + tensor.byteOffset, length: byteLength(typeCode(tensor.dtype), elementCount(tensor.dims)) };
}

/**
 * Reads a tensor's elements in a single positional read.
 * @returns little-endian elements in row-major order, in memory of their own
 * @throws {CheckpointError} `limit`, or an error of the storage
 */
export async function readTensorBytes(
	tensor: CheckpointTensor,
	limits: Partial<CheckpointLimits> = {},
): Promise<Uint8Array<ArrayBuffer>> {
	const { dtype, dims, storage, byteOffset, strides } = tensor;
	const limit = limits.tensorBytes ?? DEFAULT_CHECKPOINT_LIMITS.tensorBytes;
	const count = elementCount(dims);
	const length = byteLength(typeCode(dtype), count);
	checkSize(length, tensor, limit);
	if (count === 0) {
		return new Uint8Array(0);
	}
	if (!strides) {
		return new Uint8Array(await storage.read(byteOffset, length));
	}
	const size = elementBits(typeCode(dtype)) / 8;
	const spanned = (lastIndex(dims, strides) + 1) * size;
	checkSize(spanned, tensor, limit);
	return gather(await storage.read(byteOffset, spanned), { dims, strides, size, length });
}

/**
 * Reads the first `count` elements of a tensor in row-major order, as {@link readTensorBytes} does.
 * Of a tensor at strides all elements are read.
 */
export async function readTensorStart(tensor: CheckpointTensor, count: number): Promise<Uint8Array<ArrayBuffer>> {
	const length = byteLength(typeCode(tensor.dtype), count);
	if (tensor.strides || count >= elementCount(tensor.dims)) {
		return (await readTensorBytes(tensor)).slice(0, length);
	}
	return new Uint8Array(await tensor.storage.read(tensor.byteOffset, length));
}

/**
 * Reads a tensor's values, each exactly as in the file.
 * @throws {CheckpointError} as {@link readTensorBytes} does
 * @throws {OnnxError} `unsupported` for complex numbers and integers beyond 2^53
 */
export async function readTensorValues(
	tensor: CheckpointTensor,
	limits: Partial<CheckpointLimits> = {},
): Promise<Tensor> {
	const raw = { dataType: typeCode(tensor.dtype), dims: tensor.dims, bytes: await readTensorBytes(tensor, limits) };
	return { dataType: raw.dataType, dims: raw.dims, data: decodeElements(raw, `Tensor "${tensor.name}"`) };
}

/** Returns the product of the dimensions: 1 for a scalar. Unsafe integers mean that the product overflows. */
export function elementCount(dims: readonly number[]): number {
	// 0 first, because Infinity * 0 is NaN.
	return dims.includes(0) ? 0 : product(dims);
}

/** Returns the largest element index of a view, counted from its first element. `strides`: in elements, by axis. */
export function lastIndex(dims: readonly number[], strides: readonly number[]): number {
	return dims.reduce((sum, dim, axis) => sum + (dim - 1) * (strides[axis] ?? 0), 0);
}

/** Returns the strides of a gapless array, in elements, by axis. */
export function rowMajorStrides(dims: readonly number[]): readonly number[] {
	const strides: number[] = [];
	let step = 1;
	for (const dim of dims.toReversed()) {
		strides.unshift(step);
		step *= dim;
	}
	return strides;
}

/** Returns true for row-major strides without gaps. */
export function isRowMajor(dims: readonly number[], strides: readonly number[]): boolean {
	let expected = 1;
	for (let axis = dims.length - 1; axis >= 0; axis--) {
		const dim = dims[axis] ?? 1;
		if (dim !== 1 && strides[axis] !== expected) {
			return false;
		}
		expected *= dim;
	}
	return true;
}

function checkSize(bytes: number, { name }: CheckpointTensor, limit: number): void {
	if (bytes > limit) {
		throw new CheckpointError(
			'limit',
			`Tensor "${name}" takes ${bytes} bytes, more than the limit of ${limit} (tensorBytes).`,
		);
	}
}

interface Gathering {
	readonly dims: readonly number[];
	readonly strides: readonly number[];
	/** Bytes of an element. */
	readonly size: number;
	/** Bytes of the result. */
	readonly length: number;
}

/** Copies elements at any strides into row-major order. */
function gather(bytes: Uint8Array, { dims, strides, size, length }: Gathering): Uint8Array<ArrayBuffer> {
	const result = new Uint8Array(length);
	const position = dims.map(() => 0);
	let from = 0;
	for (let to = 0; to < length; to += size) {
		for (let byte = 0; byte < size; byte++) {
			result[to + byte] = bytes[from + byte] ?? 0;
		}
		for (let axis = dims.length - 1; axis >= 0; axis--) {
			const stride = (strides[axis] ?? 0) * size;
			position[axis] = (position[axis] ?? 0) + 1;
			from += stride;
			if ((position[axis] ?? 0) < (dims[axis] ?? 0)) {
				break;
			}
			from -= stride * (dims[axis] ?? 0);
			position[axis] = 0;
		}
	}
	return result;
}
