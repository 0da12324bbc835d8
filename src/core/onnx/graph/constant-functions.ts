import { mapInto } from '../../numbers/arrays.js';
import { OnnxError } from '../errors.js';
import type { Tensor } from '../model.js';
import { typeCode } from '../types.js';
import { type Operator, type OperatorCall, required } from './constant-arithmetic.js';
import { broadcastShape, broadcastTo, forEachBroadcast, roundingOf } from './constant-tensors.js';

/** Applies a function in float64 and rounds its result once. */
function function1(evaluate: (x: number) => number): Operator {
	return (call) => {
		const x = required(call, 0);
		const round = roundingOf(x.dataType);
		const data = mapInto(call.allocate(x.dataType, x.data.length), x.data, (value) => round(evaluate(value)));
		return { dataType: x.dataType, dims: x.dims, data };
	};
}

/** Compares two tensors element by element; the result is bool. */
function comparison(holds: (a: number, b: number) => boolean): Operator {
	return (call) => {
		const { left, right } = broadcastPair(call);
		const dataType = typeCode('bool');
		const data = call.allocate(dataType, left.data.length);
		forEachBroadcast(right, left.dims, (value, at) => {
			data[at] = Number(holds(left.data[at], value));
		});
		return { dataType, dims: left.dims, data };
	};
}

/** Returns a copy of the first operand in the shape of the result, and the second operand. */
function broadcastPair(call: OperatorCall): { left: Tensor; right: Tensor } {
	const [a, b] = [required(call, 0), required(call, 1)];
	if (call.opset < 7 && call.attribute('axis') !== undefined) {
		throw new OnnxError('unsupported', 'A comparison of constants along an axis (before opset 7) is not evaluated.');
	}
	return { left: broadcastTo(a, broadcastShape(a.dims, b.dims), call.allocate), right: b };
}

/** The sign is the divisor's; with fmod the dividend's. */
const modulo: Operator = (call) => {
	const { left, right } = broadcastPair(call);
	const { dataType, data } = left;
	const keepsSign = (call.attribute('fmod')?.i ?? 0) !== 0;
	const round = roundingOf(dataType);
	forEachBroadcast(right, left.dims, (divisor, at) => {
		const rest = data[at] % divisor;
		data[at] = round(!keepsSign && rest !== 0 && rest < 0 !== divisor < 0 ? rest + divisor : rest);
	});
	if (data.some(Number.isNaN) && dataType !== typeCode('float32') && dataType !== typeCode('float64')) {
		throw new OnnxError('unsupported', 'A constant expression divides by 0 and is not evaluated.');
	}
	return left;
};

/** Rounds halves to the even neighbor, as the operator specifies. */
function roundHalfToEven(x: number): number {
	const floor = Math.floor(x);
	const rest = x - floor;
	const nearest = rest < 0.5 || (rest === 0.5 && floor % 2 === 0) ? floor : floor + 1;
	return nearest === 0 ? 0 * x : nearest;
}

/** Functions and comparisons whose result is exact. */
export const EXACT_FUNCTIONS: ReadonlyMap<string, Operator> = new Map([
	['Floor', function1(Math.floor)],
	['Ceil', function1(Math.ceil)],
	['Round', function1(roundHalfToEven)],
	['Sign', function1(Math.sign)],
	['Not', function1((x) => (x === 0 ? 1 : 0))],
	['And', comparison((a, b) => a !== 0 && b !== 0)],
	['Or', comparison((a, b) => a !== 0 || b !== 0)],
	['Xor', comparison((a, b) => (a !== 0) !== (b !== 0))],
	['Equal', comparison((a, b) => a === b)],
	['Greater', comparison((a, b) => a > b)],
	['GreaterOrEqual', comparison((a, b) => a >= b)],
	['Less', comparison((a, b) => a < b)],
	['LessOrEqual', comparison((a, b) => a <= b)],
	['Mod', modulo],
]);

/** Functions that runtimes approximate, each in its own way: results agree to a few units in the last place. */
export const APPROXIMATE_FUNCTIONS: ReadonlyMap<string, Operator> = new Map([
	['Exp', function1(Math.exp)],
	['Log', function1(Math.log)],
	['Sin', function1(Math.sin)],
	['Cos', function1(Math.cos)],
	['Tanh', function1(Math.tanh)],
	['Sigmoid', function1((x) => 1 / (1 + Math.exp(-x)))],
	['Softplus', function1((x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))))],
]);
