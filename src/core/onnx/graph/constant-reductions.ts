import { product, sum } from '../../numbers/arrays.js';
import { OnnxError } from '../errors.js';
import type { Tensor } from '../model.js';
import { typeName } from '../types.js';
import { type Operator, type OperatorCall, required } from './constant-arithmetic.js';
import { axisWithin, gatherStrided, newElements, roundingOf, stridesOf } from './constant-tensors.js';

/** Reduces a row of values to a number, in float64. */
type Reduction = (values: Float64Array) => number;

const sumOfSquares: Reduction = (values) => values.reduce((total, value) => total + value * value, 0);
const sumOfExponentials: Reduction = (values) => values.reduce((total, value) => total + Math.exp(value), 0);

/** Axes are an attribute, from opset 18 (ReduceSum: 13) an input; without them all axes, or none if the node says so. */
function axesOf(call: OperatorCall, rank: number): number[] {
	const asked = call.attribute('axes')?.ints ?? (call.inputs[1] && Array.from(call.inputs[1].data)) ?? [];
	if (asked.length > 0) {
		return [...new Set(asked.map((axis) => axisWithin(axis, rank)))];
	}
	const keepsAll = (call.attribute('noop_with_empty_axes')?.i ?? 0) !== 0;
	return keepsAll ? [] : Array.from({ length: rank }, (_, axis) => axis);
}

function reduce(reduction: Reduction, isElement = false): Operator {
	return (call) => {
		const x = required(call, 0);
		call.countWork(x.data.length);
		const axes = axesOf(call, x.dims.length);
		const kept = x.dims.flatMap((_, axis) => (axes.includes(axis) ? [] : [axis]));
		const order = [...kept, ...axes];
		const strides = stridesOf(x.dims);
		const width = product(axes.map((axis) => x.dims[axis]));
		const rows = product(kept.map((axis) => x.dims[axis]));
		if (width === 0 && isElement) {
			throw new OnnxError('bad-tensor', 'A constant expression takes the largest or smallest of no elements.');
		}
		const view = { dims: order.map((axis) => x.dims[axis]), strides: order.map((axis) => strides[axis]) };
		// A temporary copy of the size of x.
		const values = Float64Array.from(gatherStrided(x, view, newElements).data);
		const round = isElement ? (value: number) => value : storable(x);
		const data = call.allocate(x.dataType, rows);
		for (let row = 0; row < rows; row++) {
			data[row] = round(reduction(values.subarray(row * width, (row + 1) * width)));
		}
		const keepsDims = (call.attribute('keepdims')?.i ?? 1) !== 0;
		const dims = keepsDims
			? x.dims.map((dim, axis) => (axes.includes(axis) ? 1 : dim))
			: kept.map((axis) => x.dims[axis]);
		return { dataType: x.dataType, dims, data };
	};
}

/** Rounds to the tensor's type. @throws {OnnxError} `unsupported` where runtimes wrap integers differently */
function storable({ dataType }: Tensor): (value: number) => number {
	const round = roundingOf(dataType);
	const isWide = typeName(dataType).endsWith('64');
	const isInteger = typeName(dataType).includes('int');
	return (value) => {
		if (isInteger && Math.abs(value) > (isWide ? Number.MAX_SAFE_INTEGER : 2 ** 31 - 1)) {
			throw new OnnxError('unsupported', `A constant expression reduces integers to ${value} and is not evaluated.`);
		}
		return round(value);
	};
}

/** Running sums along an axis, which the second input names. */
const runningSum: Operator = (call) => {
	const x = required(call, 0);
	call.countWork(x.data.length);
	const axis = axisWithin(required(call, 1).data[0] ?? Number.NaN, x.dims.length);
	const isReverse = (call.attribute('reverse')?.i ?? 0) !== 0;
	const isExclusive = (call.attribute('exclusive')?.i ?? 0) !== 0;
	const round = storable(x);
	const stride = stridesOf(x.dims)[axis];
	const length = x.dims[axis];
	const data = call.allocate(x.dataType, x.data.length);
	for (let start = 0; start < data.length; start++) {
		// Each line along the axis begins at its first element.
		if (Math.floor(start / stride) % length === 0) {
			let total = 0;
			for (let step = 0; step < length; step++) {
				const at = start + (isReverse ? length - 1 - step : step) * stride;
				const next = total + x.data[at];
				data[at] = round(isExclusive ? total : next);
				total = next;
			}
		}
	}
	return { dataType: x.dataType, dims: x.dims, data };
};

/** Reductions whose result is an element. */
export const EXACT_REDUCTIONS: ReadonlyMap<string, Operator> = new Map([
	['ReduceMax', reduce((values) => values.reduce((a, b) => Math.max(a, b)), true)],
	['ReduceMin', reduce((values) => values.reduce((a, b) => Math.min(a, b)), true)],
]);

/** Sums: each runtime rounds them in an order of its own. */
export const APPROXIMATE_REDUCTIONS: ReadonlyMap<string, Operator> = new Map([
	['ReduceSum', reduce(sum)],
	['ReduceMean', reduce((values) => sum(values) / values.length)],
	['ReduceProd', reduce((values) => values.reduce((total, value) => total * value, 1))],
	['ReduceL1', reduce((values) => values.reduce((total, value) => total + Math.abs(value), 0))],
	['ReduceL2', reduce((values) => Math.sqrt(sumOfSquares(values)))],
	['ReduceSumSquare', reduce(sumOfSquares)],
	['ReduceLogSum', reduce((values) => Math.log(sum(values)))],
	['ReduceLogSumExp', reduce((values) => Math.log(sumOfExponentials(values)))],
	['CumSum', runningSum],
]);
