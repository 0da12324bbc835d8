import { mapInto } from '../../numbers/arrays.js';
import { OnnxError } from '../errors.js';
import type { Attribute, DataTypeCode, DataTypeName, Tensor } from '../model.js';
import { typeCode, typeName } from '../types.js';
import {
	type Allocate,
	axisWithin,
	broadcastShape,
	broadcastTo,
	forEachBroadcast,
	roundingOf,
} from './constant-tensors.js';
import { dequantized, quantizedLinear } from './quantization.js';

/** An operator with constant inputs. */
export interface OperatorCall {
	/** undefined where the node leaves an optional input out. */
	readonly inputs: readonly (Tensor | undefined)[];
	readonly attribute: (name: string) => Attribute | undefined;
	/** Tensor in the attribute `value`, if present. */
	readonly value: Tensor | undefined;
	readonly opset: number;
	/** Memory for the result, within the limits of the model. */
	readonly allocate: Allocate;
	/** Position of the wanted output, and number of the node's outputs. */
	readonly output: number;
	readonly outputs: number;
	/** Counts elementary steps of an operator with more of them than elements. @throws {OnnxError} `limit` */
	readonly countWork: (steps: number) => void;
}

export type Operator = (call: OperatorCall) => Tensor;

/** @throws {OnnxError} `bad-tensor` when the node does not have it. */
export function required(call: OperatorCall, index: number): Tensor {
	const input = call.inputs[index];
	if (!input) {
		throw new OnnxError('bad-tensor', `A node of a constant expression lacks its input ${index}.`);
	}
	return input;
}

/**
 * Returns a result of integer arithmetic, if its type holds it.
 * @throws {OnnxError} `unsupported` where it would wrap, which runtimes do each in their own way; or for a division by 0
 */
function inRange(value: number, dataType: DataTypeCode): number {
	const range = INTEGER_RANGES[typeName(dataType)];
	if (range && !(Math.trunc(value) >= range[0] && Math.trunc(value) <= range[1])) {
		const text = `A constant expression of ${typeName(dataType)} gives ${value}, beyond the range of its type`;
		throw new OnnxError('unsupported', `${text}, and is not evaluated.`);
	}
	return value;
}

/** Range of the integer types. 64-bit integers are exact to 2^53. */
const INTEGER_RANGES: Partial<Record<DataTypeName, readonly [number, number]>> = {
	int8: [-128, 127],
	uint8: [0, 255],
	int16: [-32_768, 32_767],
	uint16: [0, 65_535],
	int32: [-(2 ** 31), 2 ** 31 - 1],
	uint32: [0, 2 ** 32 - 1],
	int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
	uint64: [0, Number.MAX_SAFE_INTEGER],
};

/** Returns a tensor of the shape of `x` with a value made from each of its elements. */
function mapped(
	{ allocate }: OperatorCall,
	x: Tensor,
	dataType: DataTypeCode,
	operation: (value: number) => number,
): Tensor {
	return { dataType, dims: x.dims, data: mapInto(allocate(dataType, x.data.length), x.data, operation) };
}

function unary(operation: (x: number) => number): Operator {
	return (call) => {
		const x = required(call, 0);
		const round = roundingOf(x.dataType);
		return mapped(call, x, x.dataType, (value) => round(inRange(operation(value), x.dataType)));
	};
}

/**
 * Applies an operation in float64 and rounds the result once to the tensor's type. For + - * / and sqrt of float32 and
 * narrower types this is the correctly rounded result (53 >= 2 * 24 + 2 bits), as a runtime's constant folding gives
 * it.
 */
function binary(operation: (a: number, b: number) => number): Operator {
	return (call) => {
		const a = required(call, 0);
		const b = alignLegacy(call, required(call, 1), a.dims.length);
		const round = roundingOf(a.dataType);
		const result = broadcastTo(a, broadcastShape(a.dims, b.dims), call.allocate);
		const { data, dims } = result;
		forEachBroadcast(b, dims, (right, index) => {
			data[index] = round(inRange(operation(data[index], right), a.dataType));
		});
		return result;
	};
}

/** Applies an operation to the first two inputs, and to its result and each further input. */
function chained(operation: (a: number, b: number) => number): Operator {
	const step = binary(operation);
	return (call) =>
		call.inputs
			.map((_, index) => required(call, index))
			.reduce((result, input) => step({ ...call, inputs: [result, input] }));
}

/** Limits are inputs, before opset 11 attributes; no limit by default. */
const clip: Operator = (call) => {
	const x = required(call, 0);
	const limit = (index: number, name: string, open: number) =>
		call.inputs[index]?.data[0] ?? call.attribute(name)?.f ?? open;
	const least = limit(1, 'min', Number.NEGATIVE_INFINITY);
	const most = limit(2, 'max', Number.POSITIVE_INFINITY);
	// The upper limit counts where the limits cross, as the operator specifies.
	return mapped(call, x, x.dataType, (value) => Math.min(Math.max(value, least), most));
};

/** Takes elements of the second input where the condition holds, otherwise of the third. */
const where: Operator = (call) => {
	const [condition, a, b] = [required(call, 0), required(call, 1), required(call, 2)];
	const dims = broadcastShape(broadcastShape(condition.dims, a.dims), b.dims);
	const { data } = broadcastTo({ ...b, dataType: a.dataType }, dims, call.allocate);
	const { data: chosen } = broadcastTo(condition, dims, call.allocate);
	forEachBroadcast(a, dims, (value, index) => {
		data[index] = chosen[index] ? value : data[index];
	});
	return { dataType: a.dataType, dims, data };
};

/**
 * Before opset 7 the attribute `axis` gives the position of B's dimensions in A. Trailing dimensions of size 1 put them
 * there.
 */
function alignLegacy(call: OperatorCall, b: Tensor, rank: number): Tensor {
	const axis = call.attribute('axis')?.i;
	if (call.opset >= 7 || axis === undefined) {
		return b;
	}
	const trailing = rank - axisWithin(axis, rank) - b.dims.length;
	return { ...b, dims: [...b.dims, ...new Array<number>(Math.max(0, trailing)).fill(1)] };
}

function castTo(call: OperatorCall, dataType: DataTypeCode): Tensor {
	const x = required(call, 0);
	// Refuses the types that neither side can be read in.
	roundingOf(x.dataType);
	return mapped(call, x, dataType, roundingOf(dataType));
}

/** Type names of Cast before opset 6. */
const LEGACY_NAMES: Readonly<Record<string, DataTypeName>> = {
	FLOAT: 'float32',
	FLOAT16: 'float16',
	DOUBLE: 'float64',
	INT32: 'int32',
	INT64: 'int64',
	BOOL: 'bool',
};

const cast: Operator = (call) => {
	const to = call.attribute('to');
	const legacy = to?.s && LEGACY_NAMES[String.fromCharCode(...to.s.subarray(0, 16))];
	return castTo(call, to?.i ?? typeCode(legacy ?? 'unknown'));
};

const quantization = (call: OperatorCall) => ({
	x: required(call, 0),
	scale: required(call, 1),
	zeroPoint: call.inputs[2],
	axis: call.attribute('axis')?.i ?? 1,
	blockSize: call.attribute('block_size')?.i ?? 0,
});

/** Element-wise operators, casts included. */
export const ARITHMETIC: ReadonlyMap<string, Operator> = new Map([
	['Add', binary((a, b) => a + b)],
	['Sub', binary((a, b) => a - b)],
	['Mul', binary((a, b) => a * b)],
	// Rounding to an integer type truncates, as the operator specifies.
	['Div', binary((a, b) => a / b)],
	['Pow', binary(Math.pow)],
	['Sqrt', unary(Math.sqrt)],
	['Reciprocal', unary((x) => 1 / x)],
	['Neg', unary((x) => -x)],
	['Abs', unary(Math.abs)],
	['Relu', unary((x) => Math.max(x, 0))],
	['Sum', chained((a, b) => a + b)],
	['Max', chained(Math.max)],
	['Min', chained(Math.min)],
	['Clip', clip],
	['Where', where],
	['Identity', (call) => required(call, 0)],
	['Cast', cast],
	['CastLike', (call) => castTo(call, required(call, 1).dataType)],
	['DequantizeLinear', (call) => dequantized(quantization(call), call.allocate)],
	[
		'QuantizeLinear',
		(call) => quantizedLinear(quantization(call), call.attribute('output_dtype')?.i ?? 0, call.allocate),
	],
]);
