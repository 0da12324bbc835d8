import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findLayers } from '../../../../src/core/batchnorm/find.js';
import type { BatchNormLayer } from '../../../../src/core/batchnorm/layer.js';
import { describeOrigins, parameterValues } from '../../../../src/core/batchnorm/parameters.js';
import { expectedLayers, openFixture } from '../../support/fixtures.js';
import type { GraphSpec, ModelSpec, NodeSpec } from '../../support/model-builder.js';
import { open } from '../../support/open.js';

const PARAMETERS = [
	{ name: 'g', values: [1, 2] },
	{ name: 'b', values: [0, 1] },
	{ name: 'm', values: [0.5, -0.5] },
	{ name: 'v', values: [1, 4] },
];

async function layersOf(spec: ModelSpec): Promise<BatchNormLayer[]> {
	const { model, source } = await open(spec);
	return findLayers(model, { source });
}

function bn(overrides: Partial<NodeSpec> = {}): NodeSpec {
	return { op: 'BatchNormalization', name: 'bn', inputs: ['x', 'g', 'b', 'm', 'v'], outputs: ['y'], ...overrides };
}

/** The one layer of a graph around one BatchNormalization. */
async function single(node: Partial<NodeSpec>, { opset = 15, ...graph }: GraphSpec & { opset?: number } = {}) {
	const whole = { initializers: PARAMETERS, inputs: ['x'], outputs: ['y'], nodes: [bn(node)], ...graph };
	const [layer, ...others] = await layersOf({ opset, graph: whole });
	assert.equal(others.length, 0);
	return layer;
}

for (const name of ['plain_cnn', 'depthwise', 'generator', 'preact', 'mlp', 'conv1d', 'conv3d']) {
	test(`${name}: every layer in PyTorch's order, every parameter bit for bit`, async () => {
		const { model, source } = await openFixture(`${name}.onnx`);
		const layers = await findLayers(model, { source });
		const found = layers.map((layer) => {
			const resolved = parameterValues(layer);
			assert.ok(resolved.ok);
			const { gamma, beta, mean, variance } = resolved.value;
			return { eps: layer.epsilon, gamma: [...gamma], beta: [...beta], mean: [...mean], variance: [...variance] };
		});
		const expected = expectedLayers(name).map(({ eps, weight, bias, running_mean: mean, running_var: variance }) => ({
			eps: Math.fround(eps),
			gamma: weight ?? mean.map(() => 1),
			beta: bias ?? mean.map(() => 0),
			mean,
			variance,
		}));
		assert.deepEqual(found, expected);
	});
}

test('attributes have their defaults, as the float32 that a file would hold', async () => {
	const layer = await single({});
	assert.deepEqual([layer.epsilon, layer.momentum], [Math.fround(1e-5), Math.fround(0.9)]);
	const given = await single({ attributes: { epsilon: { zero: 1 }, momentum: { f: 0.5 } } });
	assert.deepEqual([given.epsilon, given.momentum], [0, 0.5]);
});

test('training mode in the form of each opset', async () => {
	const mode = async (opset: number, attributes: NodeSpec['attributes'] = {}, outputs = ['y']) =>
		(await single({ attributes, outputs }, { opset })).mode;
	assert.equal(await mode(6, { is_test: { i: 1 } }), 'inference');
	assert.equal(await mode(1, { is_test: { zero: 2 } }), 'training');
	assert.equal(await mode(6), 'training');
	assert.equal(await mode(7), 'inference');
	assert.equal(await mode(9, {}, ['y', 'rm', 'rv', 'sm', 'sv']), 'training');
	assert.equal(await mode(9, {}, ['y', '', '']), 'inference');
	assert.equal(await mode(14, { training_mode: { i: 1 } }, ['y', 'rm', 'rv']), 'training');
	assert.equal(await mode(15, { training_mode: { i: 0 } }, ['y', 'rm', 'rv']), 'inference');
	assert.equal(await mode(15, { is_test: { i: 0 } }), 'inference');
});

test('per activation: spatial = 0, up to opset 8 only', async () => {
	const wide = PARAMETERS.map(({ name }) => ({ name, dims: [2, 3], values: [1, 2, 3, 4, 5, 6] }));
	const attributes = { spatial: { zero: 2 } };
	const old = await single({ attributes }, { opset: 8, initializers: wide });
	assert.deepEqual([old.axes, old.channels, old.gamma.values?.length], ['activation', 2, 6]);
	const flat = await single({ attributes }, { opset: 7, inputs: [{ name: 'x', shape: [1, 2] }] });
	assert.deepEqual([flat.axes, flat.channels], ['activation', 2]);
	const mxnet = await single({ attributes }, { opset: 7, inputs: [{ name: 'x', shape: [1, 2, 5, 5] }] });
	assert.deepEqual([mxnet.axes, mxnet.channels], ['channel', 2], 'a value per channel is a value per channel');
	assert.equal((await single({ attributes }, { opset: 9 })).axes, 'channel');
});

test('type and shape come from the input, else the output, else the operator in front or the parameters', async () => {
	const facts = ({ dtype, inputShape, channels }: BatchNormLayer) => [dtype, inputShape, channels];
	const x = { name: 'x', dtype: 'float16', shape: ['N', 2, null] } as const;
	assert.deepEqual(facts(await single({}, { inputs: [x] })), ['float16', ['N', 2, undefined], 2]);
	const y = { name: 'y', dtype: 'float64', shape: [1, 2, 4] } as const;
	assert.deepEqual(facts(await single({}, { outputs: [y] })), ['float64', [1, 2, 4], 2]);
	const linear = {
		nodes: [{ op: 'Conv', inputs: ['i', 'w'], outputs: ['x'] }, bn()],
		initializers: [...PARAMETERS, { name: 'w', dims: [2, 1, 3], values: [1, 2, 3, 4, 5, 6] }],
	};
	assert.deepEqual(facts(await single({}, linear)), ['float32', [undefined, 2, undefined], 2]);
	assert.deepEqual(facts(await single({})), ['float32', undefined, 2]);
});

test('parameters that are run-time inputs are shown as such', async () => {
	const inputs = ['x', 'm', { name: 'v', shape: [2] }];
	const layer = await single({}, { inputs, initializers: PARAMETERS.slice(0, 2) });
	assert.equal(layer.mean.values, null);
	assert.deepEqual(layer.variance.dims, [2]);
	assert.equal(describeOrigins(layer), 'gamma, beta: initializer; mean, variance: graph input');
	const resolved = parameterValues(layer);
	assert.ok(!resolved.ok);
	assert.equal(resolved.reason, 'Only known at run time: mean and variance (an input of the graph).');
});

test('an error in the parameters is stated in a sentence', async () => {
	const reason = async (node: Partial<NodeSpec>, graph: GraphSpec = {}) => {
		const resolved = parameterValues(await single(node, graph));
		return !resolved.ok ? resolved.reason : undefined;
	};
	assert.equal(await reason({ inputs: ['x', 'g', 'b'] }), 'The node has no mean and variance.');
	const uneven = [...PARAMETERS.slice(0, 3), { name: 'v', values: [1, 2, 3] }];
	assert.match((await reason({}, { initializers: uneven })) ?? '', /gamma 2, beta 2, mean 2, variance 3/);
	const broken = [...PARAMETERS.slice(0, 3), { name: 'v', dims: [2], raw: new Uint8Array(3) }];
	assert.match((await reason({}, { initializers: broken })) ?? '', /v/);
});

test('where parameters come from, in words', async () => {
	const words = async (node: NodeSpec) => {
		const inputs = ['x', 'g', 'b', 'm', 'p'];
		const layer = await single({}, { nodes: [node, bn({ inputs })] });
		return describeOrigins(layer).split('variance: ')[1];
	};
	const value = { value: { t: { values: [1, 2] } } };
	assert.equal(await words({ op: 'Constant', outputs: ['p'], attributes: value }), 'Constant node');
	assert.equal(await words({ op: 'Identity', inputs: ['v'], outputs: ['p'] }), 'initializer through Identity');
	assert.equal(await words({ op: 'Neg', inputs: ['v'], outputs: ['p'] }), 'constant expression (Neg)');
	assert.equal(await words({ op: 'Exp', inputs: ['x'], outputs: ['p'] }), 'computed at run time by Exp');
});

test('names are unique, stable, and made from the output where there is none', async () => {
	const nodes = [
		bn({ name: '', outputs: ['a'] }),
		bn({ inputs: ['a', 'g', 'b', 'm', 'v'], outputs: ['c'] }),
		bn({ inputs: ['c', 'g', 'b', 'm', 'v'], outputs: ['d'] }),
		bn({ name: 'bn (2)', inputs: ['d', 'g', 'b', 'm', 'v'], outputs: ['y'] }),
	];
	const layers = await layersOf({ graph: { nodes, initializers: PARAMETERS, inputs: ['x'] } });
	assert.deepEqual(
		layers.map(({ name }) => name),
		['a', 'bn', 'bn (3)', 'bn (2)'],
	);
});

test('only the default domain has the operator', async () => {
	const nodes = [bn({ domain: 'com.example' }), bn({ domain: 'ai.onnx', outputs: ['z'] })];
	const layers = await layersOf({ opsets: { 'com.example': 1 }, graph: { nodes, initializers: PARAMETERS } });
	assert.deepEqual(
		layers.map(({ output }) => output),
		['z'],
	);
});

test('inside an If: path, outer parameters and outer source', async () => {
	const branch = (name: string) => ({
		g: { nodes: [bn({ inputs: ['h', 'g', 'b', 'm', 'v'] })], outputs: ['y'], name },
	});
	const graph = {
		initializers: PARAMETERS,
		inputs: ['x', 'c'],
		outputs: ['z'],
		nodes: [
			{ op: 'Relu', name: 'relu', inputs: ['x'], outputs: ['h'] },
			{
				op: 'If',
				inputs: ['c'],
				outputs: ['z'],
				attributes: { then_branch: branch('a'), else_branch: branch('b') },
			},
		],
	};
	const layers = await layersOf({ graph });
	assert.deepEqual(
		layers.map(({ name, graphPath }) => [name, graphPath]),
		[
			['If_1/then_branch/bn', 'If_1/then_branch'],
			['If_1/else_branch/bn', 'If_1/else_branch'],
		],
	);
	assert.deepEqual([...(layers[0].variance.values ?? [])], [1, 4]);
	assert.equal(layers[0].source?.name, 'relu');
	assert.ok(layers[0].isGraphOutput);
});

test("a function's layer once for each call, with the call's tensors and attributes", async () => {
	const definition = {
		name: 'Block',
		domain: 'local',
		inputs: ['data', 'scale'],
		outputs: ['out'],
		attributes: ['eps'],
		attributeDefaults: { eps: { f: 0.25 } },
		nodes: [
			{ op: 'Constant', outputs: ['one'], attributes: { value: { t: { values: [1, 1] } } } },
			bn({
				inputs: ['data', 'scale', 'one', 'one', 'one'],
				outputs: ['out'],
				attributes: { epsilon: { ref: 'eps', type: 1 } },
			}),
		],
		opsets: { '': 14 },
	};
	const call = (name: string, inputs: string[], attributes: NodeSpec['attributes'] = {}) => {
		return { op: 'Block', domain: 'local', name, inputs, outputs: [`${name}_y`], attributes };
	};
	const nodes = [call('first', ['x', 'g'], { eps: { f: 0.5 } }), call('second', ['first_y', 'v'])];
	const layers = await layersOf({
		functions: [definition],
		opsets: { local: 1 },
		graph: { nodes, initializers: PARAMETERS, inputs: [{ name: 'x', shape: [1, 2, 4] }] },
	});
	assert.deepEqual(
		layers.map(({ name, epsilon, gamma, opset }) => [name, epsilon, [...(gamma.values ?? [])], opset]),
		[
			['first/bn', 0.5, [1, 2], 14],
			['second/bn', 0.25, [1, 4], 14],
		],
	);
	assert.deepEqual(layers[0].inputShape, [1, 2, 4]);
	assert.equal(layers[1].source?.name, 'first');
});

test('nodes out of order, consumers, and the ReLU behind the layer', async () => {
	const clip = { op: 'Clip', name: 'clip', inputs: ['y', 'zero', 'six'], outputs: ['z'] };
	const limits = [
		{ name: 'zero', dims: [], values: [0] },
		{ name: 'six', dims: [], values: [6] },
	];
	const graph = {
		nodes: [clip, bn(), { op: 'Conv', name: 'conv', inputs: ['i', 'w'], outputs: ['x'] }],
		initializers: [...PARAMETERS, ...limits, { name: 'w', dims: [2, 1, 1], values: [1, 2] }],
		inputs: ['i'],
		outputs: ['z'],
	};
	const layer = await single({}, graph);
	assert.deepEqual([layer.source?.name, layer.consumers.map(({ name }) => name)], ['conv', ['clip']]);
	assert.equal(layer.rectified, true);
	const open6 = {
		...graph,
		initializers: graph.initializers.map((t) => (t.name === 'zero' ? { ...t, values: [-1] } : t)),
	};
	assert.equal((await single({}, open6)).rectified, false);
	const also = { op: 'Sigmoid', inputs: ['y'], outputs: ['s'] };
	assert.equal((await single({}, { ...graph, nodes: [...graph.nodes, also] })).rectified, false);
});

test('a large tensor that every layer names is not copied for each of them', async () => {
	const size = 1 << 20;
	const initializers = [{ name: 'g', dims: [size], raw: new Uint8Array(4 * size) }];
	const nodes = Array.from({ length: 10 }, (_, index) =>
		bn({ name: `n${index}`, inputs: ['x', 'g', 'g', 'g', 'g'], outputs: [`y${index}`] }),
	);
	const layers = await layersOf({ graph: { nodes, initializers, inputs: ['x'] } });
	assert.equal(layers[0].gamma.values, layers[0].mean.values);
	const last = parameterValues(layers[9]);
	assert.ok(!last.ok);
	assert.match(last.reason, /^Layers share parameters with more than 2097152 values in all; "g" is not read again\.$/);
	const listed = layers.flatMap(({ gamma, beta, mean, variance }) => [gamma, beta, mean, variance]);
	const values = listed.reduce((total, { values }) => total + (values?.length ?? 0), 0);
	assert.equal(values, 3 * size, 'read once and repeated twice');
});
