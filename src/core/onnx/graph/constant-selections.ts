import { mapInto, product } from '../../numbers/arrays.js';
import { OnnxError } from '../errors.js';
import type { Tensor } from '../model.js';
import { decodeText } from '../text.js';
import { typeCode } from '../types.js';
import { type Operator, type OperatorCall, required } from './constant-arithmetic.js';
import { axisWithin, elementCount, gatherStrided, roundingOf, stridesOf } from './constant-tensors.js';

/** Sizes of the parts are an attribute, from opset 13 an input; without them the parts are equal, the last may be less. */
function splitSizes(call: OperatorCall, length: number): number[] {
	const stated = call.attribute('split')?.ints ?? (call.inputs[1] && Array.from(call.inputs[1].data));
	if (stated) {
		return [...stated];
	}
	const count = call.attribute('num_outputs')?.i ?? call.outputs;
	const size = Math.ceil(length / count);
	return Array.from({ length: call.outputs }, (_, index) => Math.max(0, Math.min(size, length - index * size)));
}

const split: Operator = (call) => {
	const x = required(call, 0);
	const axis = axisWithin(call.attribute('axis')?.i ?? 0, x.dims.length);
	const sizes = splitSizes(call, x.dims[axis]);
	const isWhole = sizes.length === call.outputs && sizes.every((size) => size >= 0);
	if (!isWhole || sizes.reduce((sum, size) => sum + size, 0) !== x.dims[axis]) {
		throw new OnnxError('bad-tensor', `A Split divides ${x.dims[axis]} elements into [${sizes.join(', ')}].`);
	}
	const strides = stridesOf(x.dims);
	const start = sizes.slice(0, call.output).reduce((sum, size) => sum + size, 0);
	const dims = x.dims.map((dim, at) => (at === axis ? sizes[call.output] : dim));
	return gatherStrided(x, { dims, strides, offset: start * strides[axis] }, call.allocate);
};

/** Source index of a padded position; undefined: the constant. */
const BORDERS: Readonly<Record<string, (at: number, length: number) => number | undefined>> = {
	constant: (at, length) => (at >= 0 && at < length ? at : undefined),
	edge: (at, length) => Math.min(Math.max(at, 0), length - 1),
	reflect: (at, length) => {
		const inside = at < 0 ? -at : at >= length ? 2 * (length - 1) - at : at;
		return inside >= 0 && inside < length ? inside : undefined;
	},
};

/** Pads and value are attributes, from opset 11 inputs; from opset 18 axes may choose the padded dimensions. */
const pad: Operator = (call) => {
	const x = required(call, 0);
	const mode = decodeText(call.attribute('mode')?.s ?? new Uint8Array(0)) || 'constant';
	const border = BORDERS[mode];
	const pads = call.attribute('pads')?.ints ?? Array.from(required(call, 1).data);
	const fill = call.inputs[2]?.data[0] ?? call.attribute('value')?.f ?? 0;
	const axes = call.inputs[3]
		? Array.from(call.inputs[3].data, (axis) => axisWithin(axis, x.dims.length))
		: x.dims.map((_, axis) => axis);
	if (!border || pads.length !== 2 * axes.length) {
		throw new OnnxError(
			'unsupported',
			`A Pad of constants in mode "${mode}" with ${pads.length} pads is not evaluated.`,
		);
	}
	const before = x.dims.map((_, axis) => (axes.includes(axis) ? pads[axes.indexOf(axis)] : 0));
	const behind = x.dims.map((_, axis) => (axes.includes(axis) ? pads[axes.indexOf(axis) + axes.length] : 0));
	const dims = x.dims.map((dim, axis) => dim + before[axis] + behind[axis]);
	return fromPositions({ x, call }, dims, (position) => {
		const from = position.map((at, axis) => border(at - before[axis], x.dims[axis]));
		return from.some((at) => at === undefined) ? { value: fill } : { from: from.map((at) => at ?? 0) };
	});
};

/** An element of another tensor, or a value. */
type Choice = { readonly from: readonly number[] } | { readonly value: number };

/** Makes a tensor of elements of `x`, each chosen by its position. */
function fromPositions(
	{ x, call }: { readonly x: Tensor; readonly call: OperatorCall },
	dims: readonly number[],
	choose: (position: readonly number[]) => Choice,
): Tensor {
	const strides = stridesOf(x.dims);
	const data = call.allocate(x.dataType, elementCount(dims));
	call.countWork(data.length);
	const position = new Array<number>(dims.length).fill(0);
	for (let to = 0; to < data.length; to++) {
		const choice = choose(position);
		data[to] =
			'value' in choice ? choice.value : x.data[choice.from.reduce((sum, at, axis) => sum + at * strides[axis], 0)];
		for (let axis = dims.length - 1; axis >= 0 && ++position[axis] === dims[axis]; axis--) {
			position[axis] = 0;
		}
	}
	return { dataType: x.dataType, dims, data };
}

/** Keeps the upper or lower triangle of the last two axes. */
const triangle: Operator = (call) => {
	const x = required(call, 0);
	const isUpper = (call.attribute('upper')?.i ?? 1) !== 0;
	const diagonal = call.inputs[1]?.data[0] ?? 0;
	const [rows = 1, columns = 1] = x.dims.slice(-2);
	const data = mapInto(call.allocate(x.dataType, x.data.length), x.data, (value, index) => {
		const above = (index % columns) - (Math.floor(index / columns) % rows) - diagonal;
		return (isUpper ? above >= 0 : above <= 0) ? value : 0;
	});
	return { dataType: x.dataType, dims: x.dims, data };
};

/** Numbers from a start by a step up to a limit, which is not reached. */
const range: Operator = (call) => {
	const [start, limit, step] = [0, 1, 2].map((index) => required(call, index).data[0] ?? Number.NaN);
	const { dataType } = required(call, 0);
	const count = Math.max(0, Math.ceil((limit - start) / step));
	const round = roundingOf(dataType);
	const data = call.allocate(dataType, elementCount([count]));
	mapInto(data, data, (_, index) => round(start + index * step));
	return { dataType, dims: [count], data };
};

const identityMatrix: Operator = (call) => {
	const x = required(call, 0);
	const [rows = 0, columns = 0] = x.dims;
	if (x.dims.length !== 2) {
		throw new OnnxError('bad-tensor', `An EyeLike has a tensor of rank ${x.dims.length}.`);
	}
	const diagonal = call.attribute('k')?.i ?? 0;
	const dataType = call.attribute('dtype')?.i ?? x.dataType;
	const data = mapInto(call.allocate(dataType, x.data.length), x.data, (_, index) =>
		Number((index % columns) - Math.floor(index / columns) === diagonal),
	);
	return { dataType, dims: [rows, columns], data };
};

/** Takes an element for each index along an axis. */
const gatherElements: Operator = (call) => {
	const [x, indices] = [required(call, 0), required(call, 1)];
	const axis = axisWithin(call.attribute('axis')?.i ?? 0, x.dims.length);
	let next = 0;
	return fromPositions({ x, call }, indices.dims, (position) => {
		const index = axisWithin(indices.data[next++], x.dims[axis]);
		return { from: position.map((at, other) => (other === axis ? index : at)) };
	});
};

/** Overwrites slices of a copy. */
const scatterSlices: Operator = (call) => {
	const [x, indices, updates] = [required(call, 0), required(call, 1), required(call, 2)];
	const depth = indices.dims.at(-1) ?? 0;
	const strides = stridesOf(x.dims);
	const width = product(x.dims.slice(depth));
	const count = depth === 0 ? 0 : indices.data.length / depth;
	const reduction = decodeText(call.attribute('reduction')?.s ?? new Uint8Array(0)) || 'none';
	if (depth > x.dims.length || updates.data.length !== count * width || reduction !== 'none') {
		throw new OnnxError('unsupported', 'A ScatterND of constants has shapes that do not fit, or a reduction.');
	}
	const data = call.allocate(x.dataType, x.data.length);
	data.set(x.data);
	for (let slice = 0; slice < count; slice++) {
		const start = strides
			.slice(0, depth)
			.reduce((sum, stride, at) => sum + axisWithin(indices.data[slice * depth + at], x.dims[at]) * stride, 0);
		data.set(updates.data.subarray(slice * width, (slice + 1) * width), start);
	}
	return { dataType: x.dataType, dims: x.dims, data };
};

const size: Operator = (call) => ({
	dataType: typeCode('int64'),
	dims: [],
	data: Float64Array.of(required(call, 0).data.length),
});

/** Operators that choose elements, or make tensors of indices. */
export const SELECTIONS: ReadonlyMap<string, Operator> = new Map([
	['Split', split],
	['Pad', pad],
	['Trilu', triangle],
	['Range', range],
	['EyeLike', identityMatrix],
	['GatherElements', gatherElements],
	['ScatterND', scatterSlices],
	['Size', size],
]);
