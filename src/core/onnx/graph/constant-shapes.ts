import { product } from '../../numbers/arrays.js';
import { OnnxError } from '../errors.js';
import type { Tensor } from '../model.js';
import { typeCode } from '../types.js';
import { type Operator, type OperatorCall, required } from './constant-arithmetic.js';
import { axisWithin, broadcastShape, broadcastTo, elementCount, gatherStrided, stridesOf } from './constant-tensors.js';

/**
 * Returns integers from the attribute of older opsets, else from the input of newer opsets; undefined if neither
 * exists.
 */
function integers(call: OperatorCall, attribute: string, input: number): number[] | undefined {
	const tensor = call.inputs[input];
	const ints = call.attribute(attribute)?.ints;
	return ints ? [...ints] : tensor && Array.from(tensor.data);
}

function withDims(tensor: Tensor, dims: readonly number[]): Tensor {
	if (elementCount(dims) !== tensor.data.length) {
		const shapes = `[${tensor.dims.join(', ')}] into [${dims.join(', ')}]`;
		throw new OnnxError(
			'bad-tensor',
			`A constant expression reshapes ${shapes}, which has another number of elements.`,
		);
	}
	return { ...tensor, dims };
}

/** A 0 copies the dimension (without allowzero), a -1 is inferred. */
const reshape: Operator = (call) => {
	const x = required(call, 0);
	const keepZero = (call.attribute('allowzero')?.i ?? 0) !== 0;
	const asked = integers(call, 'shape', 1) ?? [];
	const dims = asked.map((dim, axis) => (dim === 0 && !keepZero ? (x.dims[axis] ?? 0) : dim));
	const inferred = dims.indexOf(-1);
	if (inferred >= 0) {
		const known = dims.reduce((product, dim, axis) => (axis === inferred ? product : product * dim), 1);
		dims[inferred] = known === 0 ? 0 : x.data.length / known;
	}
	return withDims(x, dims);
};

const flatten: Operator = (call) => {
	const x = required(call, 0);
	const axis = call.attribute('axis')?.i ?? 1;
	// Flatten alone lets the axis equal the rank.
	const split = axis === x.dims.length ? axis : axisWithin(axis, x.dims.length);
	const rows = product(x.dims.slice(0, split));
	return withDims(x, [rows, rows === 0 ? 0 : x.data.length / rows]);
};

const unsqueeze: Operator = (call) => {
	const x = required(call, 0);
	const axes = integers(call, 'axes', 1) ?? [];
	const rank = x.dims.length + axes.length;
	const inserted = new Set(axes.map((axis) => axisWithin(axis, rank)));
	const rest = [...x.dims];
	return withDims(
		x,
		Array.from({ length: rank }, (_, axis) => (inserted.has(axis) ? 1 : (rest.shift() ?? 1))),
	);
};

const squeeze: Operator = (call) => {
	const x = required(call, 0);
	const axes = integers(call, 'axes', 1)?.map((axis) => axisWithin(axis, x.dims.length));
	return withDims(
		x,
		x.dims.filter((dim, axis) => (axes ? !axes.includes(axis) : dim !== 1)),
	);
};

const transpose: Operator = (call) => {
	const x = required(call, 0);
	const order = call.attribute('perm')?.ints ?? x.dims.map((_, axis) => x.dims.length - 1 - axis);
	const axes = order.map((axis) => axisWithin(axis, x.dims.length));
	if (new Set(axes).size !== x.dims.length) {
		throw new OnnxError('bad-tensor', `A Transpose has the order [${order.join(', ')}] for rank ${x.dims.length}.`);
	}
	const strides = stridesOf(x.dims);
	return gatherStrided(
		x,
		{ dims: axes.map((axis) => x.dims[axis]), strides: axes.map((axis) => strides[axis]) },
		call.allocate,
	);
};

const expand: Operator = (call) => {
	const x = required(call, 0);
	const dims = broadcastShape(x.dims, Array.from(required(call, 1).data));
	return broadcastTo(x, dims, call.allocate);
};

const concat: Operator = (call) => {
	const parts = call.inputs.map((_, index) => required(call, index));
	const first = required(call, 0);
	const axis = axisWithin(call.attribute('axis')?.i ?? 1, first.dims.length);
	const outside = (dims: readonly number[]) => dims.filter((_, at) => at !== axis).join();
	if (parts.some((part) => part.dims.length !== first.dims.length || outside(part.dims) !== outside(first.dims))) {
		throw new OnnxError('bad-tensor', `A Concat joins shapes that differ beyond axis ${axis}.`);
	}
	const length = parts.reduce((sum, part) => sum + part.dims[axis], 0);
	const dims = first.dims.map((dim, at) => (at === axis ? length : dim));
	const data = call.allocate(first.dataType, elementCount(dims));
	const rows = product(first.dims.slice(0, axis));
	const width = rows === 0 ? 0 : data.length / rows;
	let start = 0;
	for (const part of parts) {
		const piece = rows === 0 ? 0 : part.data.length / rows;
		for (let row = 0; row < rows; row++) {
			data.set(part.data.subarray(row * piece, (row + 1) * piece), row * width + start);
		}
		start += piece;
	}
	return { dataType: first.dataType, dims, data };
};

/**
 * Slice-1 has attributes, Slice-10 and later have inputs. Starts and ends outside the range are clamped as the operator
 * specifies.
 */
const slice: Operator = (call) => {
	const x = required(call, 0);
	const starts = integers(call, 'starts', 1) ?? [];
	const ends = integers(call, 'ends', 2) ?? [];
	const axes = integers(call, 'axes', 3) ?? starts.map((_, axis) => axis);
	const steps = integers(call, 'steps', 4) ?? [];
	const dims = [...x.dims];
	const strides = stridesOf(x.dims);
	let offset = 0;
	axes.forEach((asked, at) => {
		const axis = axisWithin(asked, x.dims.length);
		const range = sliceRange(x.dims[axis], starts[at], ends[at], steps[at] ?? 1);
		dims[axis] = range.length;
		offset += range.start * strides[axis];
		strides[axis] *= steps[at] ?? 1;
	});
	return gatherStrided(x, { dims, strides, offset }, call.allocate);
};

function sliceRange(dim: number, start: number, end: number, step: number): { start: number; length: number } {
	if (!(Number.isInteger(step) && step !== 0)) {
		throw new OnnxError('bad-tensor', `A Slice has the step ${step}.`);
	}
	const clamp = (value: number, low: number, high: number) =>
		Math.min(Math.max(value < 0 ? value + dim : value, low), high);
	const from = step > 0 ? clamp(start, 0, dim) : clamp(start, 0, dim - 1);
	const to = step > 0 ? clamp(end, 0, dim) : clamp(end, -1, dim - 1);
	return { start: from, length: Math.max(0, Math.ceil((to - from) / step)) };
}

const gather: Operator = (call) => {
	const x = required(call, 0);
	const indices = required(call, 1);
	const axis = axisWithin(call.attribute('axis')?.i ?? 0, x.dims.length);
	const dims = [...x.dims.slice(0, axis), ...indices.dims, ...x.dims.slice(axis + 1)];
	const data = call.allocate(x.dataType, elementCount(dims));
	const inner = product(x.dims.slice(axis + 1));
	const picked = Array.from(indices.data, (index) => axisWithin(index, x.dims[axis]));
	const block = x.dims[axis] * inner;
	for (let to = 0, outer = 0; to < data.length; outer += block) {
		for (const index of picked) {
			data.set(x.data.subarray(outer + index * inner, outer + (index + 1) * inner), to);
			to += inner;
		}
	}
	return { dataType: x.dataType, dims, data };
};

const shape: Operator = (call) => {
	const { dims } = required(call, 0);
	const part = dims.slice(call.attribute('start')?.i ?? 0, call.attribute('end')?.i ?? dims.length);
	return { dataType: typeCode('int64'), dims: [part.length], data: Float64Array.from(part) };
};

/** float32 zeros unless `value` says otherwise. */
const constantOfShape: Operator = (call) => {
	const dims = Array.from(required(call, 0).data);
	const dataType = call.value?.dataType ?? typeCode('float32');
	const data = call.allocate(dataType, elementCount(dims)).fill(call.value?.data[0] ?? 0);
	return { dataType, dims, data };
};

/** Repeats the tensor along each axis. */
const tile: Operator = (call) => {
	const [x, repeats] = [required(call, 0), required(call, 1).data];
	if (repeats.length !== x.dims.length) {
		throw new OnnxError('bad-tensor', `Tile has ${repeats.length} repeats for ${x.dims.length} dimensions.`);
	}
	const dims = x.dims.flatMap((dim, axis) => [repeats[axis], dim]);
	const strides = stridesOf(x.dims).flatMap((stride) => [0, stride]);
	// Repeats have a dimension of their own here, so the rank is twice the tensor's.
	const { data } = gatherStrided(x, { dims, strides }, call.allocate);
	return { ...x, dims: x.dims.map((dim, axis) => dim * repeats[axis]), data };
};

/** Operators that move elements or make them from a shape. */
export const SHAPES: ReadonlyMap<string, Operator> = new Map([
	['Reshape', reshape],
	['Flatten', flatten],
	['Unsqueeze', unsqueeze],
	['Squeeze', squeeze],
	['Transpose', transpose],
	['Expand', expand],
	['Tile', tile],
	['Concat', concat],
	['Slice', slice],
	['Gather', gather],
	['Shape', shape],
	['ConstantOfShape', constantOfShape],
]);
