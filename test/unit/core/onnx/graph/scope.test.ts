import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GraphIndex } from '../../../../../src/core/onnx/graph/graph-index.js';
import { Scope } from '../../../../../src/core/onnx/graph/scope.js';
import { nodesInOrder, type Place } from '../../../../../src/core/onnx/graph/traverse.js';
import type { Node } from '../../../../../src/core/onnx/model.js';
import type { FunctionSpec, GraphSpec, NodeSpec } from '../../../support/model-builder.js';
import { open } from '../../../support/open.js';

/** An If whose branches read a tensor of the graph around them. */
const BRANCHING: GraphSpec = {
	inputs: ['x', 'c'],
	outputs: ['y'],
	nodes: [
		{ op: 'Relu', name: 'r', inputs: ['x'], outputs: ['a'] },
		{
			op: 'If',
			name: 'choose',
			inputs: ['c'],
			outputs: ['y'],
			attributes: {
				then_branch: { g: { nodes: [{ op: 'Neg', name: 'n', inputs: ['a'], outputs: ['t'] }], outputs: ['t'] } },
				else_branch: { g: { nodes: [{ op: 'Abs', inputs: ['x'], outputs: ['e'] }], outputs: ['e'] } },
			},
		},
	],
};

async function places(graph: GraphSpec, functions: readonly FunctionSpec[] = []): Promise<Place[]> {
	const { model } = await open({ graph, functions, opsets: { local: 1 } });
	return [...nodesInOrder(model)];
}

function described({ scope, node }: Place): string {
	return `${scope.path}:${node.opType}`;
}

function find(all: readonly Place[], op: string): Place {
	const place = all.find(({ node }) => node.opType === op);
	assert.ok(place);
	return place;
}

test('bodies are visited at the place of their node, with their path', async () => {
	const visited = (await places(BRANCHING)).map(described);
	assert.deepEqual(visited, [':Relu', 'choose/then_branch:Neg', 'choose/else_branch:Abs', ':If']);
});

test('a body sees the graph around it, and counts as a reader there', async () => {
	const all = await places(BRANCHING);
	const { scope, node } = find(all, 'Neg');
	const definition = scope.lookup(node.inputs[0]);
	assert.ok(definition.kind === 'node' && definition.node.opType === 'Relu' && definition.scope.path === '');
	const readers = (name: string) =>
		find(all, 'Relu')
			.scope.consumers(name)
			.map(({ opType }: Node) => opType);
	assert.deepEqual([readers('a'), readers('x'), readers('t')], [['If'], ['Relu', 'If'], []]);
	assert.ok(scope.isOutput('t') && !scope.isOutput('a'));
});

test('the inputs of a Loop body belong to the Loop, the inputs of the main graph to no node', async () => {
	const body = { inputs: ['i', 'go'], outputs: ['go2'], nodes: [{ op: 'Not', inputs: ['go'], outputs: ['go2'] }] };
	const graph = {
		inputs: ['n', 'c'],
		outputs: [],
		nodes: [{ op: 'Loop', inputs: ['n', 'c'], attributes: { body: { g: body } } }],
	};
	const { scope } = find(await places(graph), 'Not');
	const [inner, outer] = [scope.lookup('go'), scope.lookup('n')];
	assert.ok(inner.kind === 'input' && inner.owner?.opType === 'Loop');
	assert.ok(outer.kind === 'input' && outer.owner === undefined);
	assert.equal(scope.path, 'Loop_0/body');
});

const SCALE: FunctionSpec = {
	name: 'Scale',
	domain: 'local',
	inputs: ['data', 'factor'],
	outputs: ['result'],
	attributes: ['axis'],
	attributeDefaults: { mode: { i: 7 } },
	nodes: [
		{
			op: 'Softmax',
			name: 's',
			inputs: ['data'],
			outputs: ['result'],
			attributes: { axis: { ref: 'axis', type: 2 }, mode: { ref: 'mode', type: 2 }, none: { ref: 'gone', type: 2 } },
		},
	],
	opsets: { '': 13 },
};

function call(name: string, inputs: readonly string[], attributes: NodeSpec['attributes'] = {}): NodeSpec {
	return { op: 'Scale', domain: 'local', name, inputs, outputs: [`${name}_out`], attributes };
}

test('a function is visited once for each call, its formal inputs standing for the actual ones', async () => {
	const nodes = [call('one', ['x', 'w'], { axis: { i: 2 } }), call('two', ['one_out'], { axis: { i: 3 } })];
	const graph = { inputs: ['x'], outputs: ['two_out'], nodes, initializers: [{ name: 'w', values: [1] }] };
	const all = await places(graph, [SCALE]);
	assert.deepEqual(all.map(described), ['one:Softmax', ':Scale', 'two:Softmax', ':Scale']);
	const [first, , second] = all;
	assert.equal(first.scope.lookup('factor').kind, 'initializer');
	assert.deepEqual(second.scope.lookup('factor'), { kind: 'none' });
	const data = second.scope.lookup('data');
	assert.ok(data.kind === 'node' && data.node.name === 'one');
	assert.equal(first.scope.opset(), 13);
	assert.equal(all[1].scope.opset(), 17);
});

test("an attribute reference takes the call's attribute, else the default, else none", async () => {
	const all = await places({ nodes: [call('one', ['x'], { axis: { i: 2 } })] }, [SCALE]);
	const { scope, node } = all[0];
	assert.equal(scope.attribute(node, 'axis')?.i, 2);
	assert.equal(scope.attribute(node, 'mode')?.i, 7);
	assert.equal(scope.attribute(node, 'none'), undefined);
});

test('types are declared where the name is known: here, outside, or by the caller', async () => {
	const graph = {
		inputs: [{ name: 'x', shape: ['N', 4] as const }],
		nodes: [call('one', ['x'])],
		valueInfo: [{ name: 'one_out', shape: [2] }],
	};
	const all = await places(graph, [SCALE]);
	assert.deepEqual(all[0].scope.declared('data')?.shape, ['N', 4]);
	assert.deepEqual(all[1].scope.declared('one_out')?.shape, [2]);
	assert.equal(all[0].scope.declared('one_out'), undefined);
});

test('functions that call themselves, or each other without end, are refused', async () => {
	const recursive = { ...SCALE, nodes: [call('again', ['data'])] };
	await assert.rejects(places({ nodes: [call('one', ['x'])] }, [recursive]), /nest more than 100 deep/);
	const doubling = Array.from({ length: 30 }, (_, level) => ({
		...SCALE,
		name: `F${level}`,
		nodes: [0, 1].map((index) => ({ ...call(`c${index}`, ['data']), op: `F${level + 1}` })),
	}));
	await assert.rejects(
		places({ nodes: [{ ...call('one', ['x']), op: 'F0' }] }, doubling),
		// 4000, and 64 for each of 61 nodes.
		/calls come to more than 7904 nodes/,
	);
});

test('a model may call functions as often as it has nodes, up to 50,000 nodes in all', async () => {
	const large = {
		...SCALE,
		nodes: Array.from({ length: 50 }, () => ({ op: 'Relu', inputs: ['data'], outputs: ['r'] })),
	};
	const calls = (count: number) => Array.from({ length: count }, (_, at) => call(`c${at}`, ['x']));
	assert.equal((await places({ nodes: calls(900) }, [large])).length, 900 * 51);
	await assert.rejects(places({ nodes: calls(1001) }, [large]), /calls come to more than 50000 nodes/);
	const body = { nodes: calls(500), outputs: ['c0_out'] };
	const loop = { op: 'Loop', inputs: ['', '', 'x'], outputs: ['y'], attributes: { body: { g: body } } };
	assert.equal((await places({ nodes: [loop] }, [large])).length, 500 * 51 + 1);
});

test('of two writers of a name the first counts', async () => {
	const nodes = [
		{ op: 'Relu', inputs: ['x'], outputs: ['a'] },
		{ op: 'Neg', inputs: ['x'], outputs: ['a'] },
	];
	const { model } = await open({ graph: { nodes } });
	assert.equal(Scope.ofModel(model).producer('a')?.opType, 'Relu');
});

test('two nodes whose names give the same path have different keys', async () => {
	const body = (): GraphSpec => ({ nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['r'] }], outputs: ['r'] });
	const attributes = { then_branch: { g: body() }, else_branch: { g: body() } };
	const { model } = await open({
		graph: {
			inputs: ['x', 'c'],
			nodes: [
				{ op: 'If', inputs: ['c'], outputs: ['a'], attributes },
				{ op: 'If', name: 'If_0', inputs: ['c'], outputs: ['b'], attributes },
				{ op: 'If', name: 'twice', inputs: ['c'], outputs: ['d'], attributes },
				{ op: 'If', name: 'twice', inputs: ['c'], outputs: ['e'], attributes },
			],
		},
	});
	const scopes = new Map([...nodesInOrder(model)].map(({ scope }) => [scope.key, scope.path]));
	assert.deepEqual([scopes.size, new Set(scopes.values()).size], [9, 5]);
});

test('paths of long names are shortened, and keys distinguish bodies and calls', async () => {
	const long = 'n'.repeat(60_000);
	const body = (depth: number): GraphSpec => ({
		outputs: [`y${depth}`],
		nodes:
			depth === 0
				? [{ op: 'Relu', inputs: ['x'], outputs: ['y0'] }]
				: [{ op: 'If', name: `${long}${depth}`, inputs: ['x'], outputs: [`y${depth}`], attributes: branches(depth) }],
	});
	const branches = (depth: number) => ({
		then_branch: { g: body(depth - 1) },
		else_branch: { g: { nodes: [{ op: 'Neg', inputs: ['x'], outputs: [`z${depth}`] }], outputs: [`z${depth}`] } },
	});
	const found = await places({ ...body(10), inputs: ['x'] });
	const leaves = found.filter(({ node }) => node.opType !== 'If');
	assert.equal(leaves.length, 11);
	assert.equal(new Set(leaves.map(({ scope }) => scope.key)).size, 11);
	for (const { scope } of leaves) {
		assert.ok(scope.path.length <= 2000 && scope.key.length < 100, `${scope.path.length} ${scope.key}`);
		assert.match(scope.path, /^n.*…n*\d+\/(then|else)_branch$|(then|else)_branch$/);
	}
});

test('all calls of a function share the index of its graph', async () => {
	const graph = { nodes: [call('one', ['x', 'w']), call('two', ['one_out'])], outputs: ['two_out'] };
	const inner = (await places(graph, [SCALE])).filter(({ scope }) => scope.depth === 1);
	const scopes = [...new Set(inner.map(({ scope }) => scope))];
	assert.equal(scopes.length, 2);
	assert.equal(GraphIndex.of(scopes[0].graph).producers, GraphIndex.of(scopes[1].graph).producers);
	assert.notEqual(scopes[0].key, scopes[1].key);
	const [first, second] = scopes.map((scope) => scope.lookup('data'));
	assert.equal(first.kind, 'none', 'the model has no input of this name');
	assert.ok(
		second.kind === 'node' && second.node.name === 'one' && second.scope.depth === 0,
		'each call has its input',
	);
});
