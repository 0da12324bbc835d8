import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findLayers } from '../../../../../src/core/batchnorm/find.js';
import { foldability } from '../../../../../src/core/folding/targets/foldability.js';
import { openFixture } from '../../../support/fixtures.js';
import type { GraphSpec, NodeSpec, TensorSpec } from '../../../support/model-builder.js';
import { open } from '../../../support/open.js';

const INITIALIZERS: TensorSpec[] = [
	{ name: 'w', dims: [2, 1, 1, 1], values: [1, 2] },
	{ name: 'm', dims: [4, 2], values: [1, 2, 3, 4, 5, 6, 7, 8] },
	{ name: 'g', values: [1, 2] },
	{ name: 'v', values: [1, 4] },
];
const CONV = { op: 'Conv', name: 'conv', inputs: ['i', 'w'], outputs: ['x'] };
const BN = { op: 'BatchNormalization', name: 'bn', inputs: ['x', 'g', 'g', 'g', 'v'], outputs: ['y'] };

/** Where the layer called bn folds, or why not: "into conv", "graph-output" … */
async function fold(
	nodes: readonly NodeSpec[],
	{ opset = 15, irVersion, ...rest }: GraphSpec & { opset?: number; irVersion?: number } = {},
) {
	const graph = { nodes, initializers: INITIALIZERS, inputs: ['i'], outputs: ['y'], ...rest };
	const { model, source } = await open({ opset, graph, ...(irVersion && { irVersion }) });
	const layers = await findLayers(model, { source });
	const index = layers.findIndex(({ name }) => name === 'bn');
	assert.ok(index >= 0);
	const { into, reasons } = (await foldability({ model, layers, access: { source } }))[index];
	return [...(into === null ? [] : [`into ${into}`]), ...reasons].join(', ');
}

test("agrees with PyTorch's own fold, and gives reasons where PyTorch does not fold", async () => {
	const reasons = async (name: string) => {
		const { model, source } = await openFixture(`${name}.onnx`);
		const layers = await findLayers(model, { source });
		return (await foldability({ model, layers, access: { source } })).map((layer) => layer.reasons.join());
	};
	for (const name of ['plain_cnn', 'depthwise', 'generator', 'mlp', 'conv1d', 'conv3d']) {
		assert.ok(
			(await reasons(name)).every((reason) => reason === ''),
			name,
		);
	}
	// Three stay in PyTorch's export too: a residual sum in front, and a convolution that the skip path reads as well.
	assert.deepEqual(await reasons('preact'), ['several-consumers', '', 'operator-between', '', 'operator-between']);
});

test('an operator without a name is called by its output', async () => {
	assert.equal(await fold([CONV, BN]), 'into conv');
	assert.equal(await fold([{ ...CONV, name: '' }, BN]), 'into x');
});

test("names other readers of the operator's output", async () => {
	const also = { op: 'Relu', inputs: ['x'], outputs: ['z'] };
	assert.equal(await fold([CONV, BN, also]), 'several-consumers');
	assert.equal(await fold([CONV, BN], { outputs: ['y', 'x'] }), 'graph-output');
	const branch = { g: { nodes: [{ op: 'Neg', inputs: ['x'], outputs: ['n'] }], outputs: ['n'] } };
	const hidden = { op: 'If', inputs: ['c'], outputs: ['z'], attributes: { then_branch: branch, else_branch: branch } };
	assert.equal(await fold([CONV, BN, hidden]), 'several-consumers');
});

test('a layer in a branch does not fold into an operator outside it', async () => {
	const branch = { g: { nodes: [BN], outputs: ['y'] } };
	const choose = { op: 'If', inputs: ['c'], outputs: ['z'], attributes: { then_branch: branch } };
	assert.equal(await fold([CONV, choose], { outputs: ['z'] }), 'several-consumers');
});

test('the layer itself', async () => {
	const training = { ...BN, outputs: ['y', 'a', 'b'], attributes: { training_mode: { i: 1 } } };
	assert.equal(await fold([CONV, training]), 'training-mode');
	const activation = { ...BN, attributes: { spatial: { zero: 2 } } };
	assert.equal(await fold([CONV, activation], { opset: 7 }), 'per-activation', 'a value per channel, as MXNet writes');
	const wide = INITIALIZERS.map((tensor) =>
		['g', 'v'].includes(tensor.name ?? '') ? { ...tensor, dims: [2, 1, 2], values: [1, 4, 2, 3] } : tensor,
	);
	assert.equal(await fold([CONV, activation], { opset: 7, initializers: wide }), 'per-activation');
	assert.equal(await fold([CONV, { ...BN, inputs: ['x', 'g', 'g', 'g', 'i'] }]), 'dynamic-parameter');
	const negative = INITIALIZERS.map((tensor) => (tensor.name === 'v' ? { ...tensor, values: [1, -4] } : tensor));
	assert.equal(await fold([CONV, BN], { initializers: negative }), 'invalid-variance');
	assert.equal(await fold([{ ...training, inputs: ['i', 'g', 'g', 'g', 'v'] }]), 'training-mode, no-linear-operator');
});

test('the weight: constant, shared, of another type', async () => {
	assert.equal(await fold([{ ...CONV, inputs: ['i', 'i'] }, BN]), 'dynamic-parameter');
	assert.equal(await fold([{ ...CONV, inputs: ['i', 'w', 'i'] }, BN]), 'dynamic-parameter');
	const twin = { ...CONV, name: 'twin', outputs: ['z'] };
	assert.equal(await fold([CONV, BN, twin]), 'into conv, shared-weight');
	const half = { op: 'Conv', name: 'conv', inputs: ['i', 'w'], outputs: ['x'] };
	const inputs = [{ name: 'i', dtype: 'float16', shape: [1, 1, 4, 4] } as const];
	assert.equal(await fold([half, BN], { inputs }), 'mixed-types');
	const turned = { op: 'Transpose', inputs: ['m'], outputs: ['t'] };
	const gemm = { op: 'Gemm', name: 'fc', inputs: ['i', 't'], outputs: ['x'] };
	assert.equal(await fold([turned, { ...gemm, attributes: { transB: { i: 1 } } }, BN]), 'into fc');
	assert.equal(await fold([turned, gemm, BN]), 'rank', 'of four columns, not two');
});

test('MatMul, with its bias as an Add, on rank 2 only', async () => {
	const product = { op: 'MatMul', name: 'mm', inputs: ['i', 'm'], outputs: ['p'] };
	const inputs = [{ name: 'i', shape: ['N', 4] as const }];
	assert.equal(await fold([{ ...product, outputs: ['x'] }, BN], { inputs }), 'into mm');
	const add = { op: 'Add', inputs: ['g', 'p'], outputs: ['x'] };
	assert.equal(await fold([product, add, BN], { inputs }), 'into mm');
	assert.equal(await fold([product, { ...add, inputs: ['i', 'p'] }, BN], { inputs }), 'operator-between');
	const deep = [{ name: 'i', shape: ['N', 2, 4] as const }];
	assert.equal(await fold([{ ...product, outputs: ['x'] }, BN], { inputs: deep }), 'rank');
});

test('a constant weight on the left of its data is no parameter that cannot be read', async () => {
	const left = { name: 'left', inputs: ['m', 'i'], outputs: ['x'] };
	const square = [{ name: 'i', shape: [2, 2] as const }];
	for (const op of ['MatMul', 'Gemm']) {
		assert.equal(await fold([{ ...left, op }, BN], { inputs: square }), 'parameter-shape', op);
	}
	const deep = [{ name: 'i', shape: ['N', 2, 5] as const }];
	assert.equal(await fold([{ ...left, op: 'MatMul' }, BN], { inputs: deep }), 'rank');
});

test('no linear operator in front, or an obstacle between', async () => {
	const relu = { op: 'Relu', inputs: ['h'], outputs: ['x'] };
	assert.equal(await fold([{ ...CONV, outputs: ['h'] }, relu, BN]), 'operator-between');
	assert.equal(await fold([{ ...relu, inputs: ['i'] }, BN]), 'no-linear-operator');
	assert.equal(await fold([BN], { inputs: ['x'] }), 'no-linear-operator');
});

test('forwards into a convolution, unless padding would need the shift at the border', async () => {
	const wide = [...INITIALIZERS, { name: 'w2', dims: [1, 2, 1, 1], values: [1, 2] }];
	const behind = (attributes: NodeSpec['attributes']) =>
		fold([BN, { op: 'Conv', name: 'next', inputs: ['y', 'w2'], outputs: ['z'], attributes }], {
			inputs: ['x'],
			outputs: ['z'],
			initializers: wide,
		});
	assert.equal(await behind({}), 'into next');
	assert.equal(await behind({ pads: { ints: [0, 1, 0, 1] } }), 'no-linear-operator, padded-forward-fold');
	assert.equal(await behind({ auto_pad: { s: 'SAME_UPPER' } }), 'no-linear-operator, padded-forward-fold');
	// A kernel of a single element needs no pads.
	assert.equal(await behind({ auto_pad: { s: 'SAME_UPPER' }, kernel_shape: { ints: [1, 1] } }), 'into next');
});

test('a decomposed layer folds like any other', async () => {
	const constants = [
		...INITIALIZERS,
		{ name: 'k', dims: [2, 1, 1], values: [1, 2] },
		{ name: 't', dims: [2, 1, 1], values: [3, 4] },
	];
	const chain = [
		{ op: 'Mul', inputs: ['x', 'k'], outputs: ['s'] },
		{ op: 'Add', name: 'bn', inputs: ['s', 't'], outputs: ['y'] },
	];
	assert.equal(await fold([CONV, ...chain], { initializers: constants }), 'into conv');
});

test('an invalid model: parameters that do not fit the operator, a cycle', async () => {
	const others = (change: (tensor: TensorSpec) => TensorSpec) => ({
		initializers: INITIALIZERS.map((tensor) => (tensor.name === 'g' || tensor.name === 'v' ? change(tensor) : tensor)),
	});
	const three = others((tensor) => ({ ...tensor, values: [1, 2, 3] }));
	assert.equal(await fold([CONV, BN], three), 'parameter-shape');
	const deep = others((tensor) => ({ ...tensor, dims: [1, 2, 1, 1] }));
	assert.equal(await fold([CONV, BN], deep), 'parameter-shape');
	assert.equal(await fold([{ ...CONV, inputs: ['y', 'w'] }, BN]), 'cyclic-graph');
});

test('an infinite variance makes scale and shift finite, but is invalid all the same', async () => {
	const infinite = INITIALIZERS.map((tensor) =>
		tensor.name === 'v' ? { ...tensor, values: [1, Number.POSITIVE_INFINITY] } : tensor,
	);
	assert.equal(await fold([CONV, BN], { initializers: infinite }), 'invalid-variance');
});

test('a Gemm that multiplies its weight by 0', async () => {
	const gemm = { op: 'Gemm', name: 'fc', inputs: ['i', 'm'], outputs: ['x'] };
	assert.equal(await fold([{ ...gemm, attributes: { alpha: { f: 2 } } }, BN]), 'into fc');
	assert.equal(await fold([{ ...gemm, attributes: { alpha: { f: 0 } } }, BN]), 'zero-alpha');
});

test('a constant that a caller may feed instead, from IR version 4 on', async () => {
	const product = { op: 'MatMul', name: 'mm', inputs: ['i', 'm'], outputs: ['p'] };
	const added = [
		product,
		{ op: 'Add', inputs: ['p', 'g'], outputs: ['x'] },
		{ ...BN, inputs: ['x', 'v', 'v', 'v', 'v'] },
	];
	const cases: readonly (readonly [readonly NodeSpec[], string])[] = [
		[[CONV, BN], 'w'],
		[
			[
				{ ...CONV, inputs: ['i', 'w', 'v'] },
				{ ...BN, inputs: ['x', 'g', 'g', 'g', 'g'] },
			],
			'v',
		],
		[[CONV, BN], 'g'],
		[added, 'g'],
	];
	for (const [nodes, name] of cases) {
		const inputs = [{ name: 'i', shape: nodes === added ? [1, 4] : [1, 1, 2, 2] }, name];
		assert.equal(await fold(nodes, { inputs }), 'overridable', name);
		// Before, every initializer had to be listed.
		assert.match(await fold(nodes, { inputs, irVersion: 3 }), /^into (conv|mm)$/, name);
	}
});

test('a bias with another number of values than channels', async () => {
	const bias = (dims: readonly number[]) => {
		const values = new Array<number>(dims.reduce((product, dim) => product * dim, 1)).fill(1);
		const inputs = [{ name: 'i', shape: [3, 4] as const }];
		return { inputs, initializers: [...INITIALIZERS, { name: 'c', dims, values }] };
	};
	const gemm = { op: 'Gemm', name: 'fc', inputs: ['i', 'm', 'c'], outputs: ['x'] };
	const product = { op: 'MatMul', name: 'fc', inputs: ['i', 'm'], outputs: ['p'] };
	const add = { op: 'Add', inputs: ['p', 'c'], outputs: ['x'] };
	for (const nodes of [
		[gemm, BN],
		[product, add, BN],
	]) {
		assert.equal(await fold(nodes, bias([1, 2])), 'into fc');
		assert.equal(await fold(nodes, bias([1])), 'into fc');
		assert.equal(await fold(nodes, bias([3, 1])), 'bias-shape');
		assert.equal(await fold(nodes, bias([3, 2])), 'bias-shape');
	}
	// Whatever it is, it is multiplied by 0.
	const without = { ...gemm, attributes: { beta: { f: 0 } } };
	assert.equal(await fold([without, BN], bias([3, 2])), 'into fc');
});
