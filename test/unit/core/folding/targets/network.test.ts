import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LinearOperator } from '../../../../../src/core/folding/operators/linear.js';
import { readNetwork } from '../../../../../src/core/folding/targets/network.js';
import type { GraphSpec, ModelSpec, NodeSpec } from '../../../support/model-builder.js';
import { open } from '../../../support/open.js';

const CONSTANTS = [
	{ name: 'w', dims: [2, 2, 1, 1], values: [1, 2, 3, 4] },
	{ name: 'm', dims: [2, 2], values: [1, 2, 3, 4] },
	{ name: 'v', values: [1, 4] },
	{ name: 'k', dims: [1, 2, 1, 1], values: [5, 6] },
];
const node = (op: string, inputs: string, output: string, rest: Partial<NodeSpec> = {}): NodeSpec => ({
	op,
	name: output,
	inputs: inputs.split(' '),
	outputs: [output],
	...rest,
});
const conv = (input: string, output: string) => node('Conv', `${input} w`, output);
const norm = (input: string, output: string) => node('BatchNormalization', `${input} v v v v`, output);

async function read(nodes: readonly NodeSpec[], graph: GraphSpec = {}, rest: Partial<ModelSpec> = {}) {
	const inputs = [{ name: 'x', shape: ['N', 2, 4, 4] }];
	const { model, source } = await open({
		opset: 17,
		graph: { nodes, initializers: CONSTANTS, inputs, outputs: ['y'], ...graph },
		...rest,
	});
	const network = await readNetwork(model, { source });
	const names = (operators: ReadonlySet<LinearOperator> | undefined) =>
		Array.from(operators ?? [], ({ name }) => name)
			.sort()
			.join(' ');
	return {
		before: Object.fromEntries(
			network.operators.map((operator) => [operator.name, names(network.before.get(operator))]),
		),
		targets: Object.fromEntries(network.layers.map((layer) => [layer.name, network.targets.get(layer)?.operator.name])),
		around: Object.fromEntries(
			network.layers.map((layer) => [
				layer.name,
				`${names(network.beforeLayer.get(layer))} > ${names(network.afterLayer.get(layer))}`,
			]),
		),
		network,
	};
}

test('edges between linear operators, through any other nodes', async () => {
	const { before, around } = await read([
		conv('x', 'a'),
		norm('a', 'n'),
		node('Relu', 'n', 'r'),
		conv('r', 'b'),
		node('Add', 'r b', 's'),
		norm('s', 'o'),
		conv('o', 'y'),
	]);
	assert.deepEqual(before, { a: '', b: 'a', y: 'a b' });
	assert.deepEqual(around, { n: 'a > b y', o: 'a b > y' });
});

test('nodes in any order, and a graph that feeds itself', async () => {
	const { before } = await read([conv('r', 'y'), node('Relu', 'a', 'r'), conv('x', 'a')]);
	assert.deepEqual(before, { a: '', y: 'a' });
	const cyclic = await read([node('Add', 'x q', 'p'), node('Relu', 'p', 'q'), conv('q', 'y')]);
	assert.deepEqual(cyclic.before, { y: '' });
});

test('a network deeper than the stack', async () => {
	const depth = 12_000;
	const chain = Array.from({ length: depth }, (_, index) =>
		node('Relu', index === 0 ? 'a' : `r${index - 1}`, `r${index}`),
	);
	const { before } = await read([conv('x', 'a'), ...chain, conv(`r${depth - 1}`, 'y')]);
	assert.deepEqual(before, { a: '', y: 'a' });
});

test('through the bodies of If and the calls of functions', async () => {
	const branch = (name: string) => ({ g: { nodes: [conv('a', name)], outputs: [name] } });
	const choose = node('If', 'c', 'z', { attributes: { then_branch: branch('t'), else_branch: branch('e') } });
	const { before } = await read([conv('x', 'a'), choose, conv('z', 'y')], { inputs: ['x', 'c'] });
	assert.deepEqual(before, { a: '', t: 'a', e: 'a', y: 'e t' });
	const definition = {
		name: 'Block',
		domain: 'local',
		inputs: ['i', 'weight'],
		outputs: ['o'],
		nodes: [node('Conv', 'i weight', 'inner'), node('Relu', 'inner', 'o')],
	};
	const call = (input: string, output: string) => node('Block', `${input} w`, output, { domain: 'local' });
	const called = await read(
		[call('x', 'a'), call('a', 'b'), conv('b', 'y')],
		{},
		{ functions: [definition], opsets: { local: 1 } },
	);
	assert.equal(called.network.operators.length, 3, 'one for each call');
	assert.deepEqual(
		called.network.operators.map((operator) =>
			Array.from(called.network.before.get(operator) ?? [], ({ index }) => index),
		),
		[[], [0], [1]],
	);
});

test('the operator that a layer folds into, through nodes that move elements or add a constant', async () => {
	const shape = { name: 'shape', dims: [3], dtype: 'int64' as const, values: [0, 2, -1] };
	const { targets } = await read(
		[
			conv('x', 'a'),
			node('Identity', 'a', 'i'),
			node('Add', 'k i', 'j'),
			norm('j', 'direct'),
			node('Reshape', 'a shape', 'q'),
			norm('q', 'reshaped'),
			node('Relu', 'a', 'r'),
			norm('r', 'rectified'),
			node('Add', 'a r', 's'),
			norm('s', 'summed'),
			norm('direct', 'second'),
			norm('x', 'first'),
		],
		{ initializers: [...CONSTANTS, shape], outputs: ['second', 'reshaped'] },
	);
	assert.deepEqual(targets, {
		direct: 'a',
		reshaped: 'a',
		rectified: undefined,
		summed: undefined,
		second: 'a',
		first: undefined,
	});
});

test('an Add of a constant with more dimensions than the product is followed no further: the channels are elsewhere', async () => {
	const added = (dims: readonly number[]) =>
		read([node('MatMul', 'x m', 'p'), node('Add', 'p z', 'a'), norm('a', 'y')], {
			initializers: [...CONSTANTS, { name: 'z', dims, values: dims.map(() => 1).slice(0, 1) }],
			inputs: [{ name: 'x', shape: [2, 2] }],
		});
	assert.equal((await added([1, 1])).targets.y, 'p');
	assert.equal((await added([1, 1, 1])).targets.y, undefined);
});

test('consecutive layers have the same target, the nearer layer first', async () => {
	const { network } = await read([conv('x', 'a'), norm('a', 'n'), norm('n', 'y')]);
	assert.deepEqual(
		Array.from(network.targets.values(), ({ earlier }) => earlier.map(({ layer }) => layer.name)),
		[[], ['n']],
	);
});

test('the columns are the channels of a product of rank 2, and not of a product of rank 3', async () => {
	const product = [node('MatMul', 'x m', 'p'), norm('p', 'y')];
	const rank2 = await read(product, { inputs: [{ name: 'x', shape: ['N', 2] }] });
	assert.equal(rank2.targets.y, 'p');
	const rank3 = await read(product, { inputs: [{ name: 'x', shape: ['N', 2, 2] }] });
	assert.equal(rank3.targets.y, undefined, 'there the rows are the channels');
	const turned = [
		node('MatMul', 'x m', 'p'),
		node('Transpose', 'p', 't', { attributes: { perm: { ints: [0, 2, 1] } } }),
		norm('t', 'y'),
	];
	assert.equal((await read(turned, { inputs: [{ name: 'x', shape: ['N', 5, 2] }] })).targets.y, 'p');
});

test('an operator that the runtime fused with an activation is not a target', async () => {
	const fused = { ...conv('x', 'a'), op: 'FusedConv', domain: 'com.microsoft' };
	const plain = await read([fused, norm('a', 'y')]);
	assert.equal(plain.targets.y, 'a');
	const active = { ...fused, attributes: { activation: { s: 'Relu' } } };
	assert.equal((await read([active, norm('a', 'y')])).targets.y, undefined);
});
