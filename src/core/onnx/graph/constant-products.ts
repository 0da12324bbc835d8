import { product, sum } from '../../numbers/arrays.js';
import { OnnxError } from '../errors.js';
import type { Tensor } from '../model.js';
import { decodeText } from '../text.js';
import { type Operator, type OperatorCall, required } from './constant-arithmetic.js';
import { broadcastShape, broadcastTo, elementCount, roundingOf, stridesOf } from './constant-tensors.js';

/** An operand of a product: its elements, and the letter of each of its axes. */
interface Operand {
	readonly tensor: Tensor;
	readonly axes: readonly string[];
}

/** Sums the products of operands over each letter that the result lacks. */
function contract(call: OperatorCall, operands: readonly Operand[], result: readonly string[]): Tensor {
	const sizes = new Map<string, number>();
	for (const { tensor, axes } of operands) {
		if (axes.length !== tensor.dims.length) {
			throw new OnnxError('bad-tensor', `A product of constants names ${axes.length} of ${tensor.dims.length} axes.`);
		}
		for (const [at, letter] of axes.entries()) {
			if ((sizes.get(letter) ?? tensor.dims[at]) !== tensor.dims[at]) {
				throw new OnnxError('bad-tensor', 'A product of constants has inner dimensions that differ.');
			}
			sizes.set(letter, tensor.dims[at]);
		}
	}
	const letters = [...result, ...[...sizes.keys()].filter((letter) => !result.includes(letter))];
	const dims = letters.map((letter) => sizes.get(letter) ?? Number.NaN);
	const shape = dims.slice(0, result.length);
	const inner = product(dims.slice(result.length));
	const { dataType } = operands[0].tensor;
	const data = call.allocate(dataType, elementCount(shape));
	call.countWork(data.length * inner);
	const strides = operands.map(({ tensor, axes }) => {
		const own = stridesOf(tensor.dims);
		return letters.map((letter) => axes.reduce((sum, axis, at) => (axis === letter ? sum + own[at] : sum), 0));
	});
	const starts = strides.map((each) => offsets(shape, each.slice(0, result.length)));
	const steps = strides.map((each) => offsets(dims.slice(result.length), each.slice(result.length)));
	const round = roundingOf(dataType);
	const terms = new Float64Array(inner);
	for (let to = 0; to < data.length; to++) {
		terms.fill(1);
		for (const [index, { tensor }] of operands.entries()) {
			const [values, start, step] = [tensor.data, starts[index][to], steps[index]];
			for (let term = 0; term < inner; term++) {
				terms[term] *= values[start + step[term]];
			}
		}
		data[to] = round(sum(terms));
	}
	return { dataType, dims: shape, data };
}

/** Offset of each position, row-major. */
function offsets(dims: readonly number[], strides: readonly number[]): Int32Array {
	let found = new Int32Array(1);
	for (const [axis, dim] of dims.entries()) {
		const next = new Int32Array(found.length * dim);
		for (let at = 0; at < next.length; at++) {
			next[at] = found[Math.floor(at / dim)] + (at % dim) * strides[axis];
		}
		found = next;
	}
	return found;
}

/** Letters for axes; any distinct text will do. */
const named = (prefix: string, count: number) => Array.from({ length: count }, (_, axis) => `${prefix}${axis}`);

/** Multiplies matrices in the last two axes; the axes in front are broadcast, and a vector is a row or column. */
const matrixProduct: Operator = (call) => {
	const [a, b] = [required(call, 0), required(call, 1)];
	if (a.dims.length === 0 || b.dims.length === 0) {
		throw new OnnxError('bad-tensor', 'A MatMul of constants has a scalar.');
	}
	const front = broadcastShape(a.dims.slice(0, -2), b.dims.slice(0, -2));
	const spread = (x: Tensor) =>
		x.dims.length > 2 ? broadcastTo(x, [...front, ...x.dims.slice(-2)], call.allocate) : x;
	const batch = named('n', front.length);
	const rows = a.dims.length > 1 ? ['row'] : [];
	const columns = b.dims.length > 1 ? ['column'] : [];
	const operands = [
		{ tensor: spread(a), axes: [...(a.dims.length > 2 ? batch : []), ...rows, 'inner'] },
		{ tensor: spread(b), axes: [...(b.dims.length > 2 ? batch : []), 'inner', ...columns] },
	];
	return contract(call, operands, [...batch, ...rows, ...columns]);
};

/** Products of axes by letters, "ij,jk->ik"; without an arrow the letters that occur once, in alphabetical order. */
const einsum: Operator = (call) => {
	const text = decodeText(call.attribute('equation')?.s ?? new Uint8Array(0)).replaceAll(' ', '');
	const [left = '', right] = text.split('->');
	const terms = left.split(',');
	if (text.includes('.') || terms.length !== call.inputs.length) {
		throw new OnnxError('unsupported', `An Einsum of constants with the equation "${text}" is not evaluated.`);
	}
	const letters = [...left.replaceAll(',', '')];
	const once = letters.filter((letter) => letters.indexOf(letter) === letters.lastIndexOf(letter)).sort();
	const result = right === undefined ? once : [...right];
	if (new Set(result).size !== result.length || result.some((letter) => !letters.includes(letter))) {
		throw new OnnxError('bad-tensor', `An Einsum has the impossible equation "${text}".`);
	}
	const operands = terms.map((axes, index) => ({ tensor: required(call, index), axes: [...axes] }));
	return contract(call, operands, result);
};

/** Products and sums of many terms, which each runtime rounds in its own way. */
export const PRODUCTS: ReadonlyMap<string, Operator> = new Map([
	['MatMul', matrixProduct],
	['Einsum', einsum],
]);
