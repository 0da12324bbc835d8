import { FLOAT_FORMATS, isFloatType } from '../../numbers/float-formats.js';
import type { Tensor } from '../model.js';
import { typeName } from '../types.js';
import { APPROXIMATE } from './approximate.js';
import type { Operator, OperatorCall } from './constant-arithmetic.js';
import { PRODUCTS } from './constant-products.js';
import { newElements } from './constant-tensors.js';

/** Units in the last place by which a runtime's function may be off. */
const FUNCTION_ULPS = 4;
/** Multiple of the square root of the number of terms, in roundings: a sum exceeds it with probability 2 exp(-8). */
const SUM_DEVIATIONS = 4;
/** Functions that onnxruntime computes with a resolution of an ulp of 1, also near 0. */
const RESOLVED_AT_ONE: ReadonlySet<string> = new Set(['Sigmoid', 'Tanh', 'Softplus', 'Log', 'Sin', 'Cos']);
/** Sums whose error is the sum of their terms' errors. */
const LINEAR: ReadonlySet<string> = new Set(['ReduceSum', 'ReduceMean', 'ReduceL1', 'CumSum']);

/**
 * Returns the result of an operator on constants with the distance that another runtime's result may have: its own order of
 * additions, its own functions (Higham and Mary, "A new approach to probabilistic rounding error analysis", 2019), and
 * the same of the operator's inputs.
 */
export function withError(opType: string, operator: Operator, call: OperatorCall): Tensor {
	const { dataType, dims, data } = operator(call);
	// Further results have the size of this one, and are temporary.
	const temporary = { ...call, allocate: newElements };
	const isUncertain = call.inputs.some((input) => input?.error !== undefined);
	if (!APPROXIMATE.has(opType) && !isUncertain) {
		return { dataType, dims, data };
	}
	const error = ownError(opType, operator, temporary, { dataType, dims, data });
	for (const [index, input] of call.inputs.entries()) {
		if (input?.error) {
			const inherited = inheritedError(opType, operator, temporary, { index, data, error: input.error });
			inherited.forEach((value, at) => {
				error[at] += value;
			});
		}
	}
	return { dataType, dims, data, error };
}

/** Error of an operator on exact inputs. */
function ownError(opType: string, operator: Operator, call: OperatorCall, { dataType, data }: Tensor): Float64Array {
	const type = typeName(dataType);
	const { unitRoundoff: u, tiny } = isFloatType(type) ? FLOAT_FORMATS[type] : { unitRoundoff: 0, tiny: 0 };
	const terms = Math.max(1, termCount(opType, call, data.length));
	if (terms === 1) {
		const ulps = APPROXIMATE.has(opType) ? FUNCTION_ULPS : 1;
		const resolution = RESOLVED_AT_ONE.has(opType) ? u : 0;
		return Float64Array.from(data, (value) => 2 * ulps * u * Math.abs(value) + resolution + tiny);
	}
	const magnitudes = operator({
		...call,
		inputs: call.inputs.map((input, index) => absolute(opType, input, index)),
	}).data;
	// A logarithm turns a relative error into an absolute one.
	const least = opType.startsWith('ReduceLog') ? 1 : 0;
	const roundings = FUNCTION_ULPS + (opType === 'ReduceProd' ? terms : SUM_DEVIATIONS * Math.sqrt(terms));
	return Float64Array.from(data, (value, at) => {
		const magnitude = Math.max(Math.abs(value), Math.abs(magnitudes[at]), least);
		return roundings * u * magnitude + tiny;
	});
}

/** Number of terms in each sum; 1 for functions of single elements. */
function termCount(opType: string, { inputs }: OperatorCall, results: number): number {
	const [first, second] = inputs.map((input) => input?.data.length ?? 1);
	if (opType === 'MatMul') {
		return inputs[0]?.dims.at(-1) ?? 1;
	}
	if (opType === 'CumSum') {
		return first;
	}
	if (opType.startsWith('Reduce')) {
		return results === 0 ? 1 : first / results;
	}
	// Every element of the smaller operand may be a term of each sum.
	return PRODUCTS.has(opType) ? Math.min(first, second ?? first) : 1;
}

/** Magnitudes of an operand. Axes and other integers stay. */
function absolute(opType: string, input: Tensor | undefined, index: number): Tensor | undefined {
	const isOperand = index === 0 || PRODUCTS.has(opType);
	return input && isOperand && isFloatType(typeName(input.dataType))
		? { ...input, data: Float64Array.from(input.data, Math.abs) }
		: input;
}

/** Largest change of a result that an input's error makes. */
function inheritedError(
	opType: string,
	operator: Operator,
	call: OperatorCall,
	{ index, data, error }: { readonly index: number; readonly data: Tensor['data']; readonly error: Float64Array },
): Float64Array {
	const evaluate = (moved: (value: number, at: number) => number, isAbsolute = false) => {
		const inputs = call.inputs.map((input, other) =>
			other === index && input
				? { ...input, data: Float64Array.from(input.data, moved) }
				: isAbsolute
					? absolute(opType, input, other)
					: input,
		);
		return operator({ ...call, inputs }).data;
	};
	if (LINEAR.has(opType) || PRODUCTS.has(opType)) {
		return Float64Array.from(evaluate((_, at) => error[at], true));
	}
	const outwards = evaluate((value, at) => value + (value < 0 ? -error[at] : error[at]));
	const inwards = evaluate((value, at) => value + (value < 0 ? error[at] : -error[at]));
	return Float64Array.from(data, (value, at) =>
		Math.max(difference(outwards[at], value), difference(inwards[at], value)),
	);
}

/** Infinite where only one of the numbers is finite. */
function difference(a: number, b: number): number {
	const distance = Math.abs(a - b);
	return Number.isNaN(distance) ? (Object.is(a, b) ? 0 : Number.POSITIVE_INFINITY) : distance;
}
