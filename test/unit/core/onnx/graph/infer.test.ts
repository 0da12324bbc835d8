import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ShapeInference } from '../../../../../src/core/onnx/graph/infer.js';
import { Scope } from '../../../../../src/core/onnx/graph/scope.js';
import { typeName } from '../../../../../src/core/onnx/types.js';
import type { GraphSpec, NodeSpec } from '../../../support/model-builder.js';
import { open } from '../../../support/open.js';

const INPUTS = [{ name: 'x', dtype: 'float16', shape: ['N', 3, 8, 8] } as const];
const WEIGHTS = [
	{ name: 'conv', dims: [16, 3, 3, 3], values: Array(432).fill(0) },
	{ name: 'deconv', dims: [3, 5, 1, 1], values: Array(15).fill(0) },
	{ name: 'matrix', dims: [8, 6], values: Array(48).fill(0) },
	{ name: 'column', dims: [3, 1, 1], values: [0, 0, 0] },
];

async function infer(nodes: readonly NodeSpec[], name = 'y', rest: GraphSpec = {}) {
	const { model } = await open({ graph: { nodes, inputs: INPUTS, initializers: WEIGHTS, ...rest } });
	const { dataType, shape } = new ShapeInference().of(Scope.ofModel(model), name);
	return [typeName(dataType), shape];
}

function one(op: string, inputs: readonly string[], attributes: NodeSpec['attributes'] = {}): NodeSpec[] {
	return [{ op, inputs, outputs: ['y'], attributes }];
}

test('a linear operator determines its channels and the remaining spatial axes', async () => {
	assert.deepEqual(await infer(one('Conv', ['x', 'conv'])), ['float16', ['N', 16, 6, 6]]);
	const grouped = one('ConvTranspose', ['x', 'deconv'], { group: { i: 3 } });
	assert.deepEqual(await infer(grouped), ['float16', ['N', 15, 8, 8]]);
	const upsampling = one('ConvTranspose', ['x', 'deconv'], {
		strides: { ints: [2, 2] },
		output_padding: { ints: [1, 0] },
	});
	assert.deepEqual(await infer(upsampling), ['float16', ['N', 5, 16, 15]]);
	assert.deepEqual(await infer(one('Conv', ['nowhere', 'conv'])), ['float32', [undefined, 16, undefined, undefined]]);
	assert.deepEqual(await infer(one('MatMul', ['x', 'matrix'])), ['float16', ['N', 3, 8, 6]]);
	assert.deepEqual(await infer(one('Gemm', ['x', 'matrix'])), ['float16', ['N', 6]]);
	assert.deepEqual(await infer(one('Gemm', ['x', 'matrix'], { transB: { i: 1 } })), ['float16', ['N', 8]]);
});

test('operators that keep shape, channels or rank', async () => {
	assert.deepEqual(await infer(one('Relu', ['x'])), ['float16', ['N', 3, 8, 8]]);
	assert.deepEqual(await infer(one('MaxPool', ['x'])), ['float16', ['N', 3, undefined, undefined]]);
	assert.deepEqual(await infer(one('GlobalMaxPool', ['x'])), ['float16', ['N', 3, 1, 1]]);
	assert.deepEqual(await infer(one('Concat', ['x', 'x'])), ['float16', Array(4).fill(undefined)]);
	assert.deepEqual(await infer(one('Concat', ['x', 'x'], { axis: { i: -3 } })), ['float16', ['N', 6, 8, 8]]);
	assert.deepEqual(await infer(one('Flatten', ['x'])), ['float16', ['N', 192]]);
	assert.deepEqual(await infer(one('Flatten', ['x'], { axis: { i: -1 } })), ['float16', [undefined, 8]]);
	assert.deepEqual(await infer(one('Cast', ['x'], { to: { i: 1 } })), ['float32', ['N', 3, 8, 8]]);
	const order = { perm: { ints: [0, 2, 3, 1] } };
	assert.deepEqual(await infer(one('Transpose', ['x'], order)), ['float16', ['N', 8, 8, 3]]);
	assert.deepEqual(await infer(one('Add', ['x', 'column'])), ['float16', ['N', 3, 8, 8]]);
	assert.deepEqual(await infer(one('Resize', ['nowhere'])), ['undefined', undefined]);
});

test('the number of axes or dimensions determines the rank', async () => {
	const initializers = [{ name: 's', dtype: 'int64', values: [0, -1] } as const];
	const rank = async (nodes: NodeSpec[]) => (await infer(nodes, 'y', { initializers }))[1]?.length;
	assert.equal(await rank(one('Reshape', ['x', 's'])), 2);
	assert.equal(await rank(one('Unsqueeze', ['x', 's'])), 6);
	assert.equal(await rank(one('Unsqueeze', ['x'], { axes: { ints: [0] } })), 5);
	assert.equal(await rank(one('Squeeze', ['x', 's'])), 2);
	assert.equal(await rank(one('Flatten', ['x'])), 2);
	assert.equal(await rank(one('Reshape', ['x', 'computed'])), undefined);
});

test('a shape that a graph computes determines the rank', async () => {
	const initializers = [
		{ name: 'zero', dtype: 'int64', dims: [], values: [0] },
		{ name: 'one', dtype: 'int64', values: [0] },
		{ name: 'rest', dtype: 'int64', values: [3, -1] },
	] as const;
	const view = (indices: string, axes: string | undefined, attributes: NodeSpec['attributes'] = {}): NodeSpec[] => [
		{ op: 'Shape', inputs: ['x'], outputs: ['s'], attributes },
		{ op: 'Gather', inputs: ['s', indices], outputs: ['n'] },
		...(axes ? [{ op: 'Unsqueeze', inputs: ['n', axes], outputs: ['list'] }] : []),
		{ op: 'Concat', inputs: [axes ? 'list' : 'n', 'rest'], outputs: ['target'], attributes: { axis: { i: 0 } } },
		{ op: 'Reshape', inputs: ['x', 'target'], outputs: ['y'] },
	];
	assert.deepEqual(await infer(view('zero', 'one'), 'y', { initializers }), ['float16', Array(3).fill(undefined)]);
	assert.deepEqual(await infer(view('rest', undefined), 'y', { initializers }), ['float16', Array(4).fill(undefined)]);
	assert.deepEqual(await infer(view('zero', 'one'), 's', { initializers }), ['int64', [4]]);
	const part = { start: { i: 1 } };
	assert.deepEqual(await infer(view('zero', 'one', part), 's', { initializers }), ['int64', [undefined]]);
	const outside = one('Gather', ['x', 'one'], { axis: { i: 9 } });
	assert.deepEqual(await infer(outside, 'y', { initializers }), ['float16', undefined]);
});

test('a declaration wins over the inferred shape, which fills its open dimensions', async () => {
	const valueInfo = [{ name: 'y', dtype: 'float32', shape: [1, 16, 6, 6] } as const];
	assert.deepEqual(await infer(one('Conv', ['x', 'conv']), 'y', { valueInfo }), ['float32', [1, 16, 6, 6]]);
});

test('residual additions and cycles look at each tensor once at most', { timeout: 5000 }, async () => {
	const nodes = Array.from({ length: 200 }, (_, index) => {
		const from = index === 0 ? 'x' : `n${index}`;
		return { op: 'Add', inputs: [from, from], outputs: [index === 199 ? 'y' : `n${index + 1}`] };
	});
	const { model } = await open({ graph: { nodes, inputs: INPUTS } });
	const inference = new ShapeInference();
	// In graph order, as layers are found.
	const shapes = nodes.map(({ outputs }) => inference.of(Scope.ofModel(model), outputs[0]).shape?.length);
	assert.equal(shapes[10], 4);
	const cycle = [...one('Neg', ['b']), { op: 'Neg', inputs: ['y'], outputs: ['b'] }];
	assert.deepEqual(await infer(cycle), ['undefined', undefined]);
});

test('the inputs of the main graph win over their declarations', async () => {
	const { model } = await open({ graph: { nodes: one('Conv', ['x', 'conv']), inputs: INPUTS, initializers: WEIGHTS } });
	const inference = new ShapeInference(new Map([['x', { dims: [5, 3, 20, 21] }]]));
	assert.deepEqual(inference.of(Scope.ofModel(model), 'y').shape, [5, 16, 18, 19]);
});

test('attributes that make no sense leave sizes unknown', async () => {
	const unknown = ['float16', ['N', 16, undefined, undefined]];
	const cases: NonNullable<NodeSpec['attributes']>[] = [
		{ strides: { ints: [0, 0] } },
		{ strides: { ints: [-1, -1] } },
		{ dilations: { ints: [2 ** 40, 2 ** 40] } },
		{ pads: { ints: [-9, -9, -9, -9] } },
		{ kernel_shape: { ints: [50, 50] } },
		{ kernel_shape: { ints: [-5, -5] } },
		{ kernel_shape: { ints: [50, 50] }, strides: { ints: [-2, -2] } },
		{ auto_pad: { s: 'WHATEVER' } },
	];
	for (const attributes of cases) {
		assert.deepEqual(await infer(one('Conv', ['x', 'conv'], attributes)), unknown, JSON.stringify(attributes));
	}
	assert.deepEqual(await infer(one('Concat', ['x', 'x'], { axis: { i: 9 } })), ['float16', Array(4).fill(undefined)]);
	const odd = { output_shape: { ints: [7] } };
	assert.deepEqual((await infer(one('ConvTranspose', ['x', 'deconv'], odd)))[1]?.slice(2), [undefined, undefined]);
});

test('the depth limit of a long chain is stated from nearer tensors, too', async () => {
	const chain = Array.from({ length: 70 }, (_, i) => ({
		op: 'Relu',
		inputs: [i === 0 ? 'x' : `r${i - 1}`],
		outputs: [`r${i}`],
	}));
	const nodes = [
		...chain,
		{ op: 'Concat', inputs: ['x', 'r69'], outputs: ['both'], attributes: { axis: { i: 1 } } },
		{ op: 'Neg', inputs: ['r50'], outputs: ['y'] },
	];
	const { model } = await open({ graph: { nodes, inputs: INPUTS } });
	const inference = new ShapeInference();
	const scope = Scope.ofModel(model);
	assert.deepEqual(inference.of(scope, 'both').shape, ['N', undefined, 8, 8]);
	assert.deepEqual(inference.of(scope, 'y').shape, ['N', 3, 8, 8]);
	assert.deepEqual(inference.of(scope, 'r69').shape, ['N', 3, 8, 8]);
});
