import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
	C,
	compare,
	conv,
	draw,
	FOLDED,
	FOLDED_VALUES,
	foldedBias,
	model,
	norm,
	numbers,
	ORIGINAL,
	relu,
	scale,
	scaledRows,
	shift,
	tensor,
	VALUES,
} from '../../../support/folded-structures.js';
import type { NodeSpec, TensorSpec } from '../../../support/model-builder.js';
import { open } from '../../../support/open.js';

test('a bias that the fold left in an Add behind the operator', async () => {
	const deployed = [conv('x', 'c', ['fw']), { op: 'Add', inputs: ['c', 'fb'], outputs: ['a'] }, relu('a', 'y')];
	const values = [FOLDED_VALUES[0], tensor('fb', [C, 1, 1], foldedBias)];
	const { layers } = await compare(model(ORIGINAL), model(deployed, values));
	assert.equal(layers[0].status, 'match');
	// An Add that was there before is not part of the fold.
	const added = tensor('fa', [C, 1, 1], [1, 2, 3, 4]);
	const before = [...ORIGINAL.slice(0, 2), { op: 'Add', inputs: ['n', 'fa'], outputs: ['y'] }];
	const after = [conv('x', 'c', ['fw', 'fb']), { op: 'Add', inputs: ['c', 'fa'], outputs: ['y'] }];
	const kept = await compare(model(before, [added]), model(after, [...FOLDED_VALUES, added]));
	assert.equal(kept.layers[0].status, 'match');
});

test('a bias of the original that stands in an Add in front of the layer', async () => {
	const original = [
		conv('x', 'c', ['w']),
		{ op: 'Add', inputs: ['ab', 'c'], outputs: ['a'] },
		norm('a', 'n'),
		relu('n', 'y'),
	];
	const { layers } = await compare(
		model(original, [tensor('ab', [1, C, 1, 1], numbers('b'))]),
		model(FOLDED, FOLDED_VALUES),
	);
	assert.equal(layers[0].status, 'match');
});

test('weights that the runtime has rearranged for a processor are called that', async () => {
	const blocked = { ...conv('x', 'c', ['fw', 'fb']), domain: 'com.microsoft.nchwc' };
	const { layers, notes } = await compare(model(ORIGINAL), model([blocked, relu('c', 'y')], FOLDED_VALUES));
	assert.equal(layers[0].status, 'unmatched');
	assert.match(
		notes.join(),
		/^The deployed model was optimized for one kind of processor: the weights of 1 convolution /,
	);
});

test('a product led through reshape and transpose, its bias in an Add where the layer stood', async () => {
	const shape: TensorSpec = { name: 'shape', dims: [3], dtype: 'int64', values: [2, 3, C] };
	const path = (output: string): NodeSpec[] => [
		{ op: 'MatMul', inputs: ['x', 'm'], outputs: ['p'] },
		{ op: 'Reshape', inputs: ['p', 'shape'], outputs: ['q'] },
		{ op: 'Transpose', inputs: ['q'], outputs: [output], attributes: { perm: { ints: [0, 2, 1] } } },
	];
	const graph = { inputs: [{ name: 'x', shape: [6, 6] }] };
	const original = model([...path('r'), norm('r', 'n'), relu('n', 'y')], [shape], graph);
	const columns = numbers('m').map((value, index) => value * scale[index % C]);
	const deployed = path('r').map((node) => (node.op === 'MatMul' ? { ...node, inputs: ['x', 'fm'] } : node));
	const tail = [{ op: 'Add', inputs: ['r', 'h'], outputs: ['n'] }, relu('n', 'y')];
	const values = [shape, tensor('fm', [6, C], columns), tensor('h', [C, 1], shift)];
	const [layer] = (await compare(original, model([...deployed, ...tail], values, graph))).layers;
	assert.equal(layer.status, 'match', layer.evidence);
	assert.equal(layer.perChannel.weightRatio.length, C);
});

test("Gemm's alpha and beta count, and may be gone from the deployed model", async () => {
	const gemm = (weight: string, bias: string, attributes: NodeSpec['attributes']): NodeSpec => ({
		op: 'Gemm',
		inputs: ['x', weight, bias],
		outputs: ['c'],
		attributes: attributes ?? {},
	});
	const graph = { inputs: [{ name: 'x', shape: ['N', 6] }] };
	const original = model(
		[gemm('m', 'b', { alpha: { f: 0.5 }, beta: { f: 2 } }), norm('c', 'n'), relu('n', 'y')],
		[],
		graph,
	);
	const bias = numbers('b').map((value, c) => 2 * value * scale[c] + shift[c]);
	const transposed = Array.from({ length: C * 6 }, (_, index) => {
		const [n, k] = [Math.floor(index / 6), index % 6];
		return 0.5 * numbers('m')[k * C + n] * scale[n];
	});
	const values = [tensor('fm', [C, 6], transposed), tensor('fb', [C], bias)];
	const [layer] = (
		await compare(original, model([gemm('fm', 'fb', { transB: { i: 1 } }), relu('c', 'y')], values, graph))
	).layers;
	assert.equal(layer.status, 'match', layer.evidence);
	const again = [
		values[0],
		tensor(
			'fb',
			[C],
			bias.map((value) => value * 2),
		),
	];
	const [wrong] = (
		await compare(original, model([gemm('fm', 'fb', { transB: { i: 1 } }), relu('c', 'y')], again, graph))
	).layers;
	assert.equal(wrong.cause, 'gemm-beta-reapplied');
});

test('a weight that two operators share, folded into a copy of each', async () => {
	const original = model([conv('x', 'c'), norm('c', 'n'), conv('n', 'd'), norm('d', 'o'), relu('o', 'y')]);
	const deployed = [conv('x', 'c', ['fw', 'fb']), conv('c', 'd', ['gw', 'gb']), relu('d', 'y')];
	const copies = FOLDED_VALUES.map((value) => ({ ...value, name: (value.name ?? '').replace('f', 'g') }));
	const { layers } = await compare(original, model(deployed, [...FOLDED_VALUES, ...copies]));
	assert.deepEqual(
		layers.map(({ status }) => status),
		['match', 'match'],
	);
});

test('a QLinearConv holds its weights as integers', async () => {
	const step = scaledRows('w', scale).reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127;
	const values = [
		{
			...tensor(
				'qw',
				[C, C, 3, 3],
				scaledRows('w', scale).map((value) => Math.round(value / step)),
			),
			dtype: 'int8' as const,
		},
		{
			...tensor(
				'qb',
				[C],
				foldedBias.map((value) => Math.round(value / (step * 1e-4))),
			),
			dtype: 'int32' as const,
		},
		{ ...tensor('z', [], [0]), dtype: 'int8' as const },
		tensor('xs', [], [1e-4]),
		tensor('ws', [], [step]),
	];
	const node = { op: 'QLinearConv', inputs: ['x', 'xs', 'z', 'qw', 'ws', 'z', 'xs', 'z', 'qb'], outputs: ['c'] };
	const [layer] = (await compare(model(ORIGINAL), model([node, relu('c', 'y')], values))).layers;
	// The bias is a whole number of steps too, far finer than what a wrong fold would differ by.
	assert.notEqual(layer.status, 'unmatched');
	assert.equal(layer.into?.op, 'QLinearConv');
	assert.ok(layer.maxAbs !== null && layer.maxAbs <= step);
});

test('parameters known only at run time cannot be compared, and the evidence says so', async () => {
	const graph = {
		inputs: [
			{ name: 'x', shape: ['N', C, 9, 9] },
			{ name: 'g', shape: [C] },
		],
	};
	const dynamic = open({
		opset: 15,
		graph: {
			nodes: ORIGINAL,
			initializers: Object.values(VALUES).filter(({ name }) => name !== 'g'),
			outputs: ['y'],
			...graph,
		},
	});
	const [layer] = (await compare(dynamic, model(FOLDED, FOLDED_VALUES))).layers;
	assert.equal(layer.status, 'not-identifiable');
	assert.match(layer.evidence, /run time/);
});

test('a deployed operator with weights of another shape is no counterpart', async () => {
	const wider = [tensor('fw', [C, C, 5, 5], draw(C * C * 25)), FOLDED_VALUES[1]];
	const [layer] = (await compare(model(ORIGINAL), model(FOLDED, wider))).layers;
	assert.equal(layer.status, 'unmatched');
	assert.match(layer.evidence, /No operator of the deployed model has the shape and place of conv c/);
});

test('layers inside a branch and inside a function are compared like any other', async () => {
	const branch = (nodes: readonly NodeSpec[]) => ({ g: { nodes, outputs: ['y0'] } });
	const inside = (nodes: readonly NodeSpec[], initializers: readonly TensorSpec[]) =>
		open({
			opset: 15,
			graph: {
				nodes: [
					{
						op: 'If',
						name: 'if',
						inputs: ['k'],
						outputs: ['y'],
						attributes: { then_branch: branch(nodes), else_branch: branch([relu('x', 'y0')]) },
					},
				],
				initializers,
				inputs: [
					{ name: 'x', shape: ['N', C, 9, 9] },
					{ name: 'k', dtype: 'bool', shape: [] },
				],
				outputs: ['y'],
			},
		});
	const original = inside([conv('x', 'c'), norm('c', 'n'), relu('n', 'y0')], Object.values(VALUES));
	const { layers } = await compare(original, inside([conv('x', 'c', ['fw', 'fb']), relu('c', 'y0')], FOLDED_VALUES));
	assert.deepEqual(
		layers.map(({ status, name }) => [status, name]),
		[['match', 'bn n']],
	);
});

test('layers of unrelated networks are not paired merely because both end their network', async () => {
	const flat = { op: 'Conv', name: 'conv c', inputs: ['x', 'w3'], outputs: ['c'] };
	const w3 = tensor('w3', [C, C, 3], draw(C * C * 3));
	const x = { inputs: [{ name: 'x', shape: ['N', C, 9] }] };
	const others = ['g', 't', 'u', 'v'].map((name) =>
		tensor(
			name,
			[C],
			numbers(name).map((value) => value * 1.5),
		),
	);
	const original = () => model([conv('x', 'c'), norm('c', 'y')]);
	const unrelated = await compare(original(), model([flat, norm('c', 'y')], [w3, ...others], x));
	assert.deepEqual(
		unrelated.layers.map(({ status, cause }) => [status, cause]),
		[['unmatched', null]],
	);
	assert.match(unrelated.notes.join(), /counterpart of the same shape/);
	// The very same parameters are the layer, whatever became of its surroundings.
	const same = await compare(original(), model([flat, norm('c', 'y')], [w3], x));
	assert.equal(same.layers[0].status, 'kept');
});
