import { product } from '../../numbers/arrays.js';
import { OnnxError } from '../errors.js';
import type { DataTypeCode, TensorRecord } from '../model.js';
import { elementBits, typeCode } from '../types.js';

/** Elements that a sparse tensor may always have, zeros included: a large layer. */
const MAX_UNBACKED = 2 ** 22;
/** Elements for each stored value beyond that. Pruned networks keep more than a thousandth of their weights. */
const MAX_ELEMENTS_PER_VALUE = 1024;

/** Values that are not zero, and their places. */
export interface SparseParts {
	/** Shape (stored values). */
	readonly values: TensorRecord;
	/** Shape (stored values) with row-major positions, or (stored values, rank) with coordinates; int64. */
	readonly indices: TensorRecord;
}

/** Bytes of a dense tensor, as in raw_data. */
interface DenseTensor {
	readonly dataType: DataTypeCode;
	readonly dims: readonly number[];
	readonly bytes: Uint8Array<ArrayBuffer>;
}

/** True if the stored values bear out the size that a sparse tensor claims. */
export function isBorneOut(elements: number, { values }: SparseParts): boolean {
	return elements <= Math.max(MAX_UNBACKED, product(values.dims) * MAX_ELEMENTS_PER_VALUE);
}

/**
 * Returns the bytes of the whole tensor, zeros included.
 * @param title subject of the error's sentence
 * @throws {OnnxError} `bad-tensor` when values and indices do not fit the shape
 */
export function denseBytes(
	{ dataType, dims }: Pick<TensorRecord, 'dataType' | 'dims'>,
	{ values, indices }: { readonly values: DenseTensor; readonly indices: DenseTensor },
	title: string,
): Uint8Array<ArrayBuffer> {
	const bits = elementBits(dataType);
	if (bits % 8 !== 0 || indices.dataType !== typeCode('int64')) {
		throw new OnnxError('unsupported', `${title} is sparse, with elements below a byte or indices other than int64.`);
	}
	const count = product(values.dims);
	const width = indices.dims.length === 2 ? dims.length : 1;
	if (
		values.dims.length !== 1 ||
		indices.dims.join() !== [count, ...(indices.dims.length === 2 ? [width] : [])].join()
	) {
		const shapes = `values of shape [${values.dims.join(', ')}] and indices of shape [${indices.dims.join(', ')}]`;
		throw new OnnxError('bad-tensor', `${title} is sparse, but has ${shapes}.`);
	}
	const size = bits / 8;
	const bytes = new Uint8Array(product(dims) * size);
	const places = new BigInt64Array(indices.bytes.buffer);
	const limits = indices.dims.length === 2 ? dims : [product(dims)];
	for (let at = 0; at < count; at++) {
		let position = 0;
		for (const [axis, limit] of limits.entries()) {
			const index = Number(places[at * width + axis]);
			if (!(index >= 0 && index < limit)) {
				throw new OnnxError('bad-tensor', `${title} is sparse, with the index ${index} where ${limit} elements are.`);
			}
			position = position * limit + index;
		}
		bytes.set(values.bytes.subarray(at * size, (at + 1) * size), position * size);
	}
	return bytes;
}
