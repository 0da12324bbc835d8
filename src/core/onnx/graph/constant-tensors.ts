import { product } from '../../numbers/arrays.js';
import { OnnxError } from '../errors.js';
import type { DataTypeCode, Tensor } from '../model.js';
import { typeName } from '../types.js';

/** Shape arithmetic and rounding that the operators on constants share. */

/**
 * Maximum number of elements that a step of a constant expression may make. 4 million, or 32 MB, is the weight of a
 * large layer, far above any normalization's parameters.
 */
export const MAX_ELEMENTS = 1 << 22;

/** Maximum rank. A shape computed from a constant could have millions of dimensions; runtimes support a few dozen. */
const MAX_RANK = 64;

/** Number of elements. @throws {OnnxError} `limit` above the limits, `bad-tensor` for a negative dimension. */
export function elementCount(dims: readonly number[]): number {
	if (dims.length > MAX_RANK) {
		throw new OnnxError(
			'limit',
			`A constant expression has ${dims.length} dimensions; at most ${MAX_RANK} are evaluated.`,
		);
	}
	const count = product(dims);
	if (!dims.every((dim) => Number.isSafeInteger(dim) && dim >= 0)) {
		throw new OnnxError('bad-tensor', `A constant expression has the impossible shape [${dims.join(', ')}].`);
	}
	if (count > MAX_ELEMENTS) {
		const shape = dims.join(' x ');
		throw new OnnxError('limit', `A constant expression has ${shape} elements; at most ${MAX_ELEMENTS} are evaluated.`);
	}
	return count;
}

/** Row-major strides, in elements. */
export function stridesOf(dims: readonly number[]): number[] {
	const strides = new Array<number>(dims.length).fill(1);
	for (let axis = dims.length - 2; axis >= 0; axis--) {
		strides[axis] = strides[axis + 1] * dims[axis + 1];
	}
	return strides;
}

/**
 * Returns the elements of `tensor` at `offset` + the sum of index * stride, for every index below `dims`, row-major.
 */
export function gatherStrided(
	tensor: Tensor,
	view: { readonly dims: readonly number[]; readonly strides: readonly number[]; readonly offset?: number },
): Tensor {
	const { dims, strides, offset = 0 } = view;
	const data = new Float64Array(elementCount(dims));
	const index = new Array<number>(dims.length).fill(0);
	let from = offset;
	for (let to = 0; to < data.length; to++) {
		data[to] = tensor.data[from];
		for (let axis = dims.length - 1; axis >= 0; axis--) {
			from += strides[axis];
			if (++index[axis] < dims[axis]) {
				break;
			}
			from -= strides[axis] * dims[axis];
			index[axis] = 0;
		}
	}
	return { dataType: tensor.dataType, dims, data };
}

/** Shape of two operands after broadcasting (ONNX "Multidirectional Broadcasting"). */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
	const rank = Math.max(a.length, b.length);
	return Array.from({ length: rank }, (_, axis) => {
		const x = a[axis - rank + a.length] ?? 1;
		const y = b[axis - rank + b.length] ?? 1;
		if (x !== y && x !== 1 && y !== 1) {
			throw new OnnxError('bad-tensor', `Shapes [${a.join(', ')}] and [${b.join(', ')}] cannot be broadcast together.`);
		}
		return x === 1 ? y : x;
	});
}

/** `tensor` repeated along its dimensions of 1 to fill `dims`, which {@link broadcastShape} made. */
export function broadcastTo(tensor: Tensor, dims: readonly number[]): Tensor {
	const own = stridesOf(tensor.dims);
	const strides = dims.map((_, axis) => {
		const at = axis - dims.length + tensor.dims.length;
		return at < 0 || tensor.dims[at] === 1 ? 0 : own[at];
	});
	return gatherStrided(tensor, { dims, strides });
}

/** Counts a negative axis from the end. @throws {OnnxError} `bad-tensor` outside the rank. */
export function axisWithin(axis: number, rank: number): number {
	const positive = axis < 0 ? axis + rank : axis;
	if (!(Number.isInteger(positive) && positive >= 0 && positive < rank)) {
		throw new OnnxError('bad-tensor', `Axis ${axis} does not exist in a tensor of rank ${rank}.`);
	}
	return positive;
}

const scratch = new DataView(new ArrayBuffer(8));

/**
 * Rounds to the nearest multiple of the spacing at `value` in a binary format with `digits` significant bits, ties to
 * even.
 */
function roundToDigits(value: number, digits: number, leastExponent: number, max: number): number {
	if (!Number.isFinite(value) || value === 0) {
		return value;
	}
	scratch.setFloat64(0, value);
	const exponent = Math.max(((scratch.getUint16(0) >> 4) & 0x7ff) - 1023, leastExponent);
	// Adding 1.5 * 2^52 spacings leaves no bits below a spacing, so the addition itself rounds to nearest, ties to even.
	const magic = 1.5 * 2 ** (52 + exponent - digits + 1);
	const rounded = value + magic - magic;
	return Math.abs(rounded) > max ? Math.sign(value) * Number.POSITIVE_INFINITY : rounded;
}

/** Returns the value that a tensor of this type holds when it stores `value`. Integers truncate. */
type Rounding = (value: number) => number;

const ROUNDING: Readonly<Partial<Record<string, Rounding>>> = {
	float64: (value) => value,
	float32: Math.fround,
	float16: (value) => roundToDigits(value, 11, -14, 65504),
	bfloat16: (value) => roundToDigits(value, 8, -126, (2 - 2 ** -7) * 2 ** 127),
	bool: (value) => (value === 0 ? 0 : 1),
	...Object.fromEntries(
		['int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64'].map((name) => [name, Math.trunc]),
	),
};

/** @throws {OnnxError} `unsupported` for strings, complex numbers and the 4- and 8-bit floats. */
export function roundingOf(dataType: DataTypeCode): Rounding {
	const rounding = ROUNDING[typeName(dataType)];
	if (!rounding) {
		throw new OnnxError('unsupported', `Constant expressions in ${typeName(dataType)} are not evaluated.`);
	}
	return rounding;
}
