import { product } from '../../numbers/arrays.js';
import { OnnxError } from '../errors.js';
import type { DataTypeCode, DataTypeName, Tensor } from '../model.js';
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

/** Memory for the elements of a tensor. Refuses before it allocates. @throws {OnnxError} `limit` */
export type Allocate = (dataType: DataTypeCode, count: number) => Float32Array | Float64Array;

/** Returns zeros that hold every value of the type exactly: float32 and narrower floats take 4 bytes, others 8. */
export const newElements: Allocate = (dataType, count) =>
	FLOATS.has(typeName(dataType)) ? new Float32Array(count) : new Float64Array(count);

const FLOATS: ReadonlySet<DataTypeName> = new Set(['float32', 'float16', 'bfloat16']);

/** Elements of a tensor at `offset` + the sum of index * stride, for every index below `dims`, row-major. */
interface StridedView {
	readonly dims: readonly number[];
	readonly strides: readonly number[];
	readonly offset?: number;
}

/** Elements of a tensor at `from` + index * `stride`, which are `length` neighbors from `to` on in a view. */
interface Run {
	readonly to: number;
	readonly from: number;
	readonly length: number;
	readonly stride: number;
}

/** Calls `visit` for runs that together cover a view, in order. */
function forEachRun(view: StridedView, visit: (run: Run) => void): void {
	const count = elementCount(view.dims);
	const { dims, strides } = mergeAxes(view);
	const last = dims.length - 1;
	const [length, stride] = [dims[last] ?? 1, strides[last] ?? 1];
	const index = new Array<number>(dims.length).fill(0);
	let from = view.offset ?? 0;
	for (let to = 0; to < count; to += length) {
		visit({ to, from, length, stride });
		for (let axis = last - 1; axis >= 0; axis--) {
			from += strides[axis];
			if (++index[axis] < dims[axis]) {
				break;
			}
			from -= strides[axis] * dims[axis];
			index[axis] = 0;
		}
	}
}

/** Merges axes that are one axis in memory, so that runs are long. */
function mergeAxes({ dims, strides }: StridedView): Pick<StridedView, 'dims' | 'strides'> {
	const merged: { size: number; stride: number }[] = [];
	dims.forEach((size, axis) => {
		const outer = merged.at(-1);
		if (outer && outer.stride === strides[axis] * size) {
			outer.size *= size;
			outer.stride = strides[axis];
		} else if (size !== 1) {
			merged.push({ size, stride: strides[axis] });
		}
	});
	return { dims: merged.map(({ size }) => size), strides: merged.map(({ stride }) => stride) };
}

/** Returns a copy of the elements of a view. */
export function gatherStrided(tensor: Tensor, view: StridedView, allocate: Allocate): Tensor {
	const data = allocate(tensor.dataType, elementCount(view.dims));
	const elements = tensor.data;
	forEachRun(view, ({ to, from, length, stride }) => {
		for (let index = 0; index < length; index++) {
			data[to + index] = elements[from + index * stride];
		}
	});
	return { dataType: tensor.dataType, dims: view.dims, data };
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

/** Returns a copy of `tensor`, repeated along its dimensions of 1 to fill `dims`, which {@link broadcastShape} made. */
export function broadcastTo(tensor: Tensor, dims: readonly number[], allocate: Allocate): Tensor {
	return gatherStrided(tensor, broadcastView(tensor, dims), allocate);
}

/** Calls `visit` with each element of `tensor`, repeated as in {@link broadcastTo}, and its position. */
export function forEachBroadcast(
	tensor: Tensor,
	dims: readonly number[],
	visit: (value: number, to: number) => void,
): void {
	forEachRun(broadcastView(tensor, dims), ({ to, from, length, stride }) => {
		for (let index = 0; index < length; index++) {
			visit(tensor.data[from + index * stride], to + index);
		}
	});
}

function broadcastView(tensor: Tensor, dims: readonly number[]): StridedView {
	const own = stridesOf(tensor.dims);
	const strides = dims.map((_, axis) => {
		const at = axis - dims.length + tensor.dims.length;
		return at < 0 || tensor.dims[at] === 1 ? 0 : own[at];
	});
	return { dims, strides };
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
