import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConstantResolver } from '../../../../../src/core/onnx/graph/constants.js';
import { Scope } from '../../../../../src/core/onnx/graph/scope.js';
import { typeName } from '../../../../../src/core/onnx/types.js';
import { loadRuntime } from '../../../../../src/engine/child/runtime/runtime.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import type { NodeSpec, TensorSpec } from '../../../support/model-builder.js';
import { open } from '../../../support/open.js';

const runtime = loadRuntime();
const random = seededRandom(7);
const floats = (dims: readonly number[], scale = 1, shift = 0): TensorSpec => ({
	dims: [...dims],
	values: Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random.normal() * scale + shift),
});
const ints = (...values: number[]): TensorSpec => ({ dtype: 'int64', values });
const scalar = (value: number, dtype: TensorSpec['dtype'] = 'float32'): TensorSpec => ({
	dtype,
	dims: [],
	values: [value],
});
const bools = (...values: number[]): TensorSpec => ({ dtype: 'bool', values });

interface Case {
	readonly op: string;
	readonly inputs: readonly (TensorSpec | null)[];
	readonly attributes?: NodeSpec['attributes'];
	readonly outputs?: number;
	readonly opset?: number;
}

/** Values of every output here and in the runtime, and the error that is allowed here. */
async function both({ op, inputs, attributes = {}, outputs = 1, opset = 17 }: Case) {
	const initializers = inputs.flatMap((tensor, index) => (tensor ? [{ ...tensor, name: `i${index}` }] : []));
	const names = inputs.map((tensor, index) => (tensor ? `i${index}` : ''));
	const results = Array.from({ length: outputs }, (_, index) => `y${index}`);
	return run([{ op, inputs: names, outputs: results, attributes }], initializers, { results, opset });
}

async function run(
	nodes: readonly NodeSpec[],
	initializers: readonly TensorSpec[],
	{ results, opset = 17 }: { readonly results: readonly string[]; readonly opset?: number },
) {
	const { model, source, bytes } = await open({ opset, graph: { nodes, initializers, outputs: results } });
	const session = await runtime.createSession(bytes, { levels: ['disabled'] });
	const theirs = await session.run(new Map(), [...results]);
	await session.release();
	const resolver = new ConstantResolver({ source });
	const found = [];
	for (const name of results) {
		const { tensor, problem } = await resolver.resolve(Scope.ofModel(model), name);
		const expected = theirs.get(name);
		assert.ok(tensor && expected, `${nodes.map(({ op }) => op).join(', ')}: ${problem}`);
		assert.deepEqual(tensor.dims, expected.dims);
		assert.equal(typeName(tensor.dataType), expected.type);
		found.push({ mine: Array.from(tensor.data), theirs: Array.from(expected.data, Number), error: tensor.error });
	}
	return found;
}

const SIGNED = floats([3, 4], 3);
const POSITIVE: TensorSpec = { dims: [2, 3], values: [0.01, 0.5, 1, 2, 9, 30] };
const HALVES: TensorSpec = { values: [-2.5, -1.5, -0.5, 0, 0.5, 1.5, 2.5, 3.2, -7.7] };
const WHOLE = ints(7, -7, 3, -3);
const DIVISOR = ints(3, 3, -3, -2);
const CUBE = floats([2, 3, 4]);

const EXACT: readonly Case[] = [
	...['Floor', 'Ceil', 'Round', 'Sign'].map((op) => ({ op, inputs: [HALVES] })),
	{ op: 'Not', inputs: [bools(1, 0)] },
	...['And', 'Or', 'Xor'].map((op) => ({ op, inputs: [bools(1, 0, 1, 0), bools(1, 1, 0, 0)] })),
	...['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual'].map((op) => ({
		op,
		inputs: [HALVES, scalar(0.5)],
	})),
	{ op: 'Mod', inputs: [WHOLE, DIVISOR] },
	{ op: 'Mod', inputs: [HALVES, scalar(1.25)], attributes: { fmod: { i: 1 } } },
	{ op: 'Sum', inputs: [SIGNED, floats([4]), floats([3, 1])] },
	{ op: 'ReduceMax', inputs: [CUBE], attributes: { axes: { ints: [-1] } } },
	{ op: 'ReduceMin', inputs: [CUBE], attributes: { axes: { ints: [0, 2] }, keepdims: { i: 0 } } },
	{ op: 'ReduceMax', inputs: [CUBE, ints(1)], opset: 18 },
	{ op: 'Split', inputs: [floats([6, 2])], outputs: 3 },
	{ op: 'Split', inputs: [floats([2, 6]), ints(1, 0, 5)], attributes: { axis: { i: -1 } }, outputs: 3 },
	{
		op: 'Split',
		inputs: [floats([2, 6])],
		attributes: { axis: { i: 1 }, split: { ints: [4, 2] } },
		outputs: 2,
		opset: 11,
	},
	{ op: 'Split', inputs: [floats([7])], attributes: { num_outputs: { i: 3 } }, outputs: 3, opset: 18 },
	{ op: 'Pad', inputs: [SIGNED, ints(0, 1, 2, 0)] },
	{ op: 'Pad', inputs: [SIGNED, ints(0, 1, -1, 0), scalar(5)] },
	{ op: 'Pad', inputs: [SIGNED, ints(1, 2, 1, 0)], attributes: { mode: { s: 'edge' } } },
	{ op: 'Pad', inputs: [SIGNED, ints(2, 1, 0, 3)], attributes: { mode: { s: 'reflect' } } },
	{ op: 'Pad', inputs: [SIGNED, ints(1, 2), null, ints(-1)], opset: 18 },
	{ op: 'Pad', inputs: [SIGNED], attributes: { pads: { ints: [1, 0, 0, 1] }, value: { f: 2 } }, opset: 10 },
	{ op: 'Trilu', inputs: [CUBE] },
	{ op: 'Trilu', inputs: [CUBE, scalar(-1, 'int64')], attributes: { upper: { i: 0 } } },
	{ op: 'Range', inputs: [scalar(1), scalar(4.5), scalar(0.5)] },
	{ op: 'Range', inputs: [scalar(9, 'int64'), scalar(2, 'int64'), scalar(-3, 'int64')] },
	{ op: 'EyeLike', inputs: [SIGNED], attributes: { k: { i: 1 } } },
	{ op: 'GatherElements', inputs: [SIGNED, { dtype: 'int64', dims: [2, 4], values: [0, -1, 2, 1, 1, 1, 0, -3] }] },
	{ op: 'ScatterND', inputs: [CUBE, { dtype: 'int64', dims: [2, 2], values: [0, 1, 1, -1] }, floats([2, 4])] },
	{ op: 'Size', inputs: [CUBE] },
	// Operators of long standing, with the attributes that exporters write.
	{ op: 'Gather', inputs: [CUBE, ints(-1, 0)], attributes: { axis: { i: 1 } } },
	{ op: 'Slice', inputs: [CUBE, ints(-1), ints(-99), ints(2), ints(-2)] },
];

const APPROXIMATE: readonly Case[] = [
	...['Exp', 'Tanh', 'Sigmoid', 'Softplus', 'Sin', 'Cos'].map((op) => ({ op, inputs: [SIGNED] })),
	{ op: 'Log', inputs: [POSITIVE] },
	...['ReduceSum', 'ReduceMean', 'ReduceL1', 'ReduceL2', 'ReduceSumSquare', 'ReduceProd', 'ReduceLogSumExp'].map(
		(op) => ({
			op,
			inputs: op === 'ReduceSum' ? [CUBE, ints(0, -1)] : [CUBE],
			...(op !== 'ReduceSum' && { attributes: { axes: { ints: [0, -1] }, keepdims: { i: 0 } } }),
		}),
	),
	{ op: 'ReduceLogSum', inputs: [POSITIVE] },
	{ op: 'ReduceMean', inputs: [floats([300, 40], 1, 50)], attributes: { axes: { ints: [0] } } },
	{ op: 'ReduceMean', inputs: [CUBE, ints(0)], opset: 18 },
	{ op: 'ReduceSum', inputs: [CUBE], attributes: { noop_with_empty_axes: { i: 1 } } },
	{ op: 'CumSum', inputs: [floats([3, 50]), scalar(1, 'int64')] },
	{ op: 'CumSum', inputs: [CUBE, scalar(-2, 'int64')], attributes: { reverse: { i: 1 }, exclusive: { i: 1 } } },
	{ op: 'MatMul', inputs: [floats([5, 300]), floats([300, 7])] },
	{ op: 'MatMul', inputs: [floats([2, 1, 3, 4]), floats([5, 4, 2])] },
	{ op: 'MatMul', inputs: [floats([4]), floats([2, 4, 3])] },
	{ op: 'MatMul', inputs: [floats([3, 4]), floats([4])] },
	{ op: 'Einsum', inputs: [floats([3, 4]), floats([4, 2, 2])], attributes: { equation: { s: 'om,mhw->ohw' } } },
	{ op: 'Einsum', inputs: [floats([3, 4]), floats([4, 3])], attributes: { equation: { s: 'ij, ji' } } },
	{ op: 'Einsum', inputs: [floats([3, 3])], attributes: { equation: { s: 'ii->i' } } },
];

test('operators that only choose or compare constants give the values of the runtime, bit for bit', async () => {
	for (const each of EXACT) {
		for (const [index, { mine, theirs, error }] of (await both(each)).entries()) {
			assert.deepEqual(mine, theirs, `${each.op}, output ${index}`);
			assert.equal(error, undefined, each.op);
		}
	}
});

test('functions and sums of constants are as near to the runtime as their error states, and the error is small', async () => {
	for (const each of APPROXIMATE) {
		for (const { mine, theirs, error } of await both(each)) {
			assertWithin({ mine, theirs, error }, each.op, 3e-5);
		}
	}
});

function assertWithin(
	{ mine, theirs, error }: { mine: number[]; theirs: number[]; error: Float64Array | undefined },
	what: string,
	most: number,
) {
	const largest = Math.max(...theirs.map(Math.abs));
	assert.ok(error && error.length === mine.length, what);
	for (const [at, value] of mine.entries()) {
		assert.ok(Math.abs(value - theirs[at]) <= error[at], `${what}[${at}]: ${value}, ${theirs[at]}, ${error[at]}`);
		assert.ok(error[at] <= most * largest, `${what}[${at}]: error ${error[at]} of ${largest}`);
	}
}

test('errors grow along an expression: weights that a graph standardizes or normalizes', async () => {
	const axes = { axes: { ints: [1, 2, 3] }, keepdims: { i: 1 } };
	const nodes: readonly NodeSpec[] = [
		{ op: 'ReduceMean', inputs: ['V'], outputs: ['m'], attributes: axes },
		{ op: 'Sub', inputs: ['V', 'm'], outputs: ['c'] },
		{ op: 'Mul', inputs: ['c', 'c'], outputs: ['q'] },
		{ op: 'ReduceMean', inputs: ['q'], outputs: ['v'], attributes: axes },
		{ op: 'Add', inputs: ['v', 'e'], outputs: ['ve'] },
		{ op: 'Sqrt', inputs: ['ve'], outputs: ['d'] },
		{ op: 'Div', inputs: ['c', 'd'], outputs: ['standardized'] },
		{ op: 'ReduceL2', inputs: ['V'], outputs: ['n'], attributes: axes },
		{ op: 'Div', inputs: ['V', 'n'], outputs: ['normalized'] },
		{ op: 'Transpose', inputs: ['normalized'], outputs: ['moved'], attributes: { perm: { ints: [1, 0, 2, 3] } } },
	];
	const initializers = [
		{ name: 'V', ...floats([4, 64, 3, 3], 0.1, 3) },
		{ name: 'e', ...scalar(1e-5) },
	];
	const results = ['standardized', 'normalized', 'moved'];
	for (const [index, found] of (await run(nodes, initializers, { results })).entries()) {
		assertWithin(found, results[index], results[index] === 'standardized' ? 1e-3 : 1e-5);
	}
});

test('hostile sizes and shapes that do not fit end in a sentence', async () => {
	const problem = async ({ op, inputs, attributes = {}, outputs = 1 }: Case) => {
		const initializers = inputs.flatMap((tensor, index) => (tensor ? [{ ...tensor, name: `i${index}` }] : []));
		const names = Array.from({ length: outputs }, (_, index) => `y${index}`);
		const nodes = [{ op, inputs: initializers.map(({ name }) => name), outputs: names, attributes }];
		const { model, source } = await open({ graph: { nodes, initializers, outputs: names } });
		return (await new ConstantResolver({ source }).resolve(Scope.ofModel(model), 'y0')).problem ?? '';
	};
	assert.match(await problem({ op: 'Range', inputs: [scalar(0), scalar(1), scalar(0)] }), /impossible shape/);
	assert.match(await problem({ op: 'Range', inputs: [scalar(0), scalar(1e12), scalar(1)] }), /elements; at most/);
	assert.match(await problem({ op: 'Pad', inputs: [SIGNED, ints(0, 0, 2 ** 40, 2 ** 40)] }), /elements; at most/);
	assert.match(await problem({ op: 'Pad', inputs: [SIGNED, ints(0, 0, -9, 0)] }), /impossible shape/);
	assert.match(
		await problem({ op: 'Split', inputs: [SIGNED, ints(1, 1)], outputs: 2 }),
		/divides 3 elements into \[1, 1\]/,
	);
	assert.match(await problem({ op: 'MatMul', inputs: [SIGNED, SIGNED] }), /inner dimensions that differ/);
	assert.match(
		await problem({ op: 'Einsum', inputs: [SIGNED], attributes: { equation: { s: '...j->j' } } }),
		/the equation "...j->j" is not evaluated/,
	);
	assert.match(
		await problem({ op: 'Einsum', inputs: [SIGNED], attributes: { equation: { s: 'ij->k' } } }),
		/impossible/,
	);
	assert.match(await problem({ op: 'EyeLike', inputs: [CUBE] }), /tensor of rank 3/);
	assert.match(await problem({ op: 'ReduceMax', inputs: [{ dims: [0], values: [] }] }), /of no elements/);
});

test('the steps of products are limited for a model', async () => {
	const shape = { name: 's', dtype: 'int64', values: [700, 700] } as const;
	const nodes = [
		{ op: 'ConstantOfShape', inputs: ['s'], outputs: ['a'] },
		{ op: 'MatMul', inputs: ['a', 'a'], outputs: ['y'] },
	];
	const { model, source } = await open({ graph: { nodes, initializers: [shape], outputs: ['y'] } });
	const { problem } = await new ConstantResolver({ source }).resolve(Scope.ofModel(model), 'y');
	assert.match(problem ?? '', /in more than 134217728 steps/);
});
