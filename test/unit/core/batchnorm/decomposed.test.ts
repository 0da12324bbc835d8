import assert from 'node:assert/strict';
import { test } from 'node:test';
import { affine } from '../../../../src/core/batchnorm/affine.js';
import { findLayers } from '../../../../src/core/batchnorm/find.js';
import type { BatchNormLayer } from '../../../../src/core/batchnorm/layer.js';
import { parameterValues } from '../../../../src/core/batchnorm/parameters.js';
import type { GraphSpec, NodeSpec, TensorSpec } from '../../support/model-builder.js';
import { open } from '../../support/open.js';

/** Six channels, so that nothing looks like an image. */
const C = 6;
const GAMMA = [1, -2, 0.5, 3, 0.25, 1.5];
const BETA = [0, 1, -1, 0.5, 2, -2];
const MEAN = [0.5, -0.5, 3, 0, 1, -4];
const VARIANCE = [1, 4, 0.25, 9, 2, 0.5];
const EPSILON = 2 ** -10;

function perChannel(name: string, values: readonly number[], dims: readonly number[] = [C, 1, 1]): TensorSpec {
	return { name, values, dims };
}

const CONSTANTS = [
	perChannel('gamma', GAMMA),
	perChannel('beta', BETA),
	perChannel('mean', MEAN),
	perChannel('variance', VARIANCE),
	{ name: 'epsilon', dims: [], values: [EPSILON] },
	{ name: 'w', dims: [C, 1, 1, 1], values: GAMMA },
];

/** "y = Op a b" a line; the operators before it a convolution that gives x its rank. */
function nodesOf(...lines: string[]): NodeSpec[] {
	const steps = lines.map((line) => {
		const [output, , op, ...inputs] = line.split(' ');
		return { op, name: `n_${output}`, inputs, outputs: [output] };
	});
	return [{ op: 'Conv', name: 'conv', inputs: ['i', 'w'], outputs: ['x'] }, ...steps];
}

async function layersOf(nodes: NodeSpec[], { opset, ...graph }: GraphSpec & { opset?: number } = {}) {
	const whole = { initializers: CONSTANTS, inputs: ['i'], outputs: ['y'], nodes, ...graph };
	const { model, source } = await open({ opset, graph: whole });
	return findLayers(model, { source });
}

async function single(...lines: string[]): Promise<BatchNormLayer> {
	const layers = await layersOf(nodesOf(...lines));
	assert.equal(layers.length, 1);
	assert.equal(layers[0].kind, 'decomposed');
	return layers[0];
}

function assertSeparated(layer: BatchNormLayer, gamma: readonly number[] = GAMMA): void {
	const resolved = parameterValues(layer);
	assert.ok(resolved.ok);
	const { value: values } = resolved;
	assert.deepEqual([...values.gamma], gamma);
	assert.deepEqual([[...values.beta], [...values.mean], [...values.variance]], [BETA, MEAN, VARIANCE]);
	assert.deepEqual([layer.epsilon, layer.affine, layer.channels], [EPSILON, undefined, C]);
}

test('the textbook chain gives all parameters back', async () => {
	const layer = await single(
		'a = Sub x mean',
		'v = Add variance epsilon',
		'd = Sqrt v',
		'n = Div a d',
		's = Mul n gamma',
		'y = Add s beta',
	);
	assertSeparated(layer);
	assert.deepEqual([layer.input, layer.output, layer.source?.name, layer.name], ['x', 'y', 'conv', 'n_y']);
});

test('a scale that is still an expression is taken apart', async () => {
	const deviation = ['v = Add epsilon variance', 'd = Sqrt v'];
	const forms = [
		[...deviation, 'r = Reciprocal d', 'k = Mul gamma r'],
		[...deviation, 'r = Reciprocal d', 'k = Mul r gamma'],
		[...deviation, 'k = Div gamma d'],
	];
	for (const form of forms) {
		assertSeparated(await single(...form, 'a = Sub x mean', 's = Mul a k', 'y = Add s beta'));
		const shift = ['mk = Mul mean k', 't = Sub beta mk'];
		assertSeparated(await single(...form, ...shift, 's = Mul k x', 'y = Add t s'));
	}
	const plain = await single(...deviation, 'r = Reciprocal d', 'a = Sub x mean', 's = Mul a r', 'y = Add s beta');
	assertSeparated(plain, Array(C).fill(1));
});

test('constants of a channel alone reach their shape through Unsqueeze', async () => {
	const axes = { name: 'axes', dtype: 'int64', values: [1, 2] } as const;
	const flat = CONSTANTS.map((tensor) => (tensor.dims?.length === 3 ? { ...tensor, dims: [C] } : tensor));
	const nodes = nodesOf(
		'um = Unsqueeze mean axes',
		'ug = Unsqueeze gamma axes',
		'ub = Unsqueeze beta axes',
		'v = Add variance epsilon',
		'd = Sqrt v',
		'ud = Unsqueeze d axes',
		'a = Sub x um',
		'n = Div a ud',
		's = Mul n ug',
		'y = Add s ub',
	);
	const [layer] = await layersOf(nodes, { initializers: [...flat, axes] });
	assertSeparated(layer);
});

test('scale and shift as Mul, then Sub', async () => {
	const deviation = ['v = Add variance epsilon', 'd = Sqrt v', 'r = Reciprocal d', 'k = Mul gamma r'];
	const split = ['mk = Mul mean k', 't = Sub mk beta', 's = Mul x k', 'y = Sub s t'];
	assertSeparated(await single(...deviation, ...split));
	const folded = await single('s = Mul x gamma', 'y = Sub s beta');
	assert.deepEqual(folded.affine, { scale: Float64Array.from(GAMMA), shift: Float64Array.from(BETA, (b) => -b) });
	const centered = await single('a = Sub x mean', ...deviation, 's = Mul a k', 'y = Sub s beta');
	assert.deepEqual(
		[...(centered.beta.values ?? [])],
		BETA.map((beta) => -beta),
	);
});

test('a deviation without epsilon is the root of the variance, with epsilon 0', async () => {
	const layer = await single('a = Sub x mean', 'd = Sqrt variance', 'n = Div a d', 's = Mul n gamma', 'y = Add s beta');
	const resolved = parameterValues(layer);
	assert.ok(resolved.ok);
	assert.deepEqual([[...resolved.value.variance], layer.epsilon], [VARIANCE, 0]);
});

test('folded constants give scale and shift, and say that the parameters are not identifiable', async () => {
	const layer = await single('s = Mul x gamma', 'y = Add s beta');
	assert.deepEqual(layer.affine, { scale: Float64Array.from(GAMMA), shift: Float64Array.from(BETA) });
	const resolved = parameterValues(layer);
	assert.ok(!resolved.ok);
	assert.match(resolved.reason, /gamma, beta, mean and variance cannot be told apart/);
});

test('a chain with a folded deviation keeps the mean', async () => {
	const layer = await single('a = Sub x mean', 'n = Div a variance', 's = Mul n gamma', 'y = Add s beta');
	const scale = GAMMA.map((gamma, c) => gamma / VARIANCE[c]);
	const shift = BETA.map((beta, c) => beta - MEAN[c] * scale[c]);
	assert.deepEqual(layer.affine, { scale: Float64Array.from(scale), shift: Float64Array.from(shift) });
	assert.deepEqual([[...(layer.mean.values ?? [])], layer.gamma.values], [MEAN, null]);
});

test('both forms of a layer describe the same map', async () => {
	const layer = await single(
		'v = Add variance epsilon',
		'd = Sqrt v',
		'a = Sub x mean',
		'n = Div a d',
		's = Mul n gamma',
		'y = Add s beta',
	);
	const resolved = parameterValues(layer);
	assert.ok(resolved.ok);
	const { gamma, beta, mean, variance } = resolved.value;
	assert.deepEqual(affine(gamma, beta, mean, variance, layer.epsilon), affine(GAMMA, BETA, MEAN, VARIANCE, EPSILON));
});

test('ranks: (C) on rank 2, (C, 1) on rank 3, the full shape on an unknown rank', async () => {
	const count = async (shape: readonly number[] | undefined, dims: readonly number[]) => {
		const initializers = [perChannel('k', GAMMA, dims), perChannel('t', BETA, dims)];
		const nodes = [
			{ op: 'Relu', inputs: ['i'], outputs: ['x'] },
			{ op: 'Mul', inputs: ['x', 'k'], outputs: ['s'] },
			{ op: 'Add', inputs: ['s', 't'], outputs: ['y'] },
		];
		const layers = await layersOf(nodes, { initializers, inputs: [shape ? { name: 'i', shape } : 'i'] });
		return layers.length;
	};
	assert.equal(await count([1, C], [C]), 1);
	assert.equal(await count([1, C], [1, C]), 1);
	assert.equal(await count([1, C, 4], [C, 1]), 1);
	assert.equal(await count([1, C, 4, 4, 4], [C, 1, 1, 1]), 1);
	assert.equal(await count(undefined, [1, C, 1, 1]), 1);
	assert.equal(await count([1, 4, C], [C]), 0, 'the last axis is not the channel axis');
	assert.equal(await count([1, 4, C, C], [C, 1]), 0);
	assert.equal(await count(undefined, [C, 1, 1]), 0, 'which axis C stands for is not known');
});

test('along the last axis only behind a linear operator, or with the mean subtracted', async () => {
	const constants = ['k', 't', 'm'].map((name, i) => perChannel(name, [GAMMA, BETA, MEAN][i], [C]));
	const initializers = [...constants, perChannel('w', GAMMA, [1, C])];
	const count = async (front: readonly NodeSpec[], ...lines: string[]) => {
		const shape = [1, 4, front.some(({ op }) => op === 'MatMul') ? 1 : C];
		const nodes = [...front, ...nodesOf(...lines).slice(1)];
		const layers = await layersOf(nodes, { initializers, inputs: [{ name: 'i', shape }] });
		return layers.map(({ channelAxis }) => channelAxis);
	};
	const relu = { op: 'Relu', inputs: ['i'], outputs: ['x'] };
	const product = { op: 'MatMul', inputs: ['i', 'w'], outputs: ['x'] };
	assert.deepEqual(await count([relu], 's = Mul x k', 'y = Add s t'), []);
	assert.deepEqual(await count([product], 's = Mul x k', 'y = Add s t'), [2]);
	assert.deepEqual(await count([product], 'b = Add x m', 's = Mul b k', 'y = Add s t'), [2]);
	assert.deepEqual(await count([relu], 'a = Sub x m', 's = Mul a k', 'y = Add s t'), [2]);
});

test('before opset 7 an axis attribute makes a plain (C) per channel', async () => {
	const flat = CONSTANTS.map((tensor) => (tensor.dims?.length === 3 ? { ...tensor, dims: [C] } : tensor));
	const attributes = { broadcast: { i: 1 }, axis: { i: 1 } };
	const nodes = nodesOf('s = Mul x gamma', 'y = Add s beta').map((node) => ({ ...node, attributes }));
	const [layer] = await layersOf(nodes, { initializers: flat, opset: 6 });
	assert.deepEqual([...(layer?.affine?.shift ?? [])], BETA);
});

test('everyday arithmetic is no layer', async () => {
	const none = async (lines: string[], graph: GraphSpec = {}) => {
		assert.deepEqual(await layersOf(nodesOf(...lines), graph), [], lines.join('; '));
	};
	await none(['s = Mul x epsilon', 'y = Add s epsilon']);
	await none(['y = Add x beta']);
	await none(['y = Mul x gamma']);
	await none(['s = Mul x gamma', 'y = Add s x']);
	await none(['s = Mul x gamma', 'y = Add s beta', 'z = Relu s']);
	await none(['s = Mul x gamma', 'y = Add s beta'], { outputs: ['y', 's'] });
	await none(['a = Sub x mean', 'y = Div gamma a']);
	await none(['a = Sub x mean', 'y = Div a variance', 'z = Relu a']);
	await none(['h = Sigmoid x', 'a = Sub mean h', 'y = Mul a gamma']);
	await none(['h = Sigmoid x', 's = Mul h gamma', 'y = Sub beta s']);
	await none(['h = Sigmoid x', 's = Mul h gamma', 'n = Neg s', 'y = Add n beta']);
});

test('scale behind the shift, and division in front of it', async () => {
	const forms: readonly [string[], (scale: number, shift: number) => [number, number]][] = [
		[['a = Add x beta', 'y = Mul a variance'], (s, t) => [s, t * s]],
		[['a = Add x beta', 'y = Div a variance'], (s, t) => [1 / s, t / s]],
		[['a = Sub x beta', 'y = Mul a variance'], (s, t) => [s, -t * s]],
		[['a = Sub x beta', 'y = Div a variance'], (s, t) => [1 / s, -t / s]],
		[['s = Div x variance', 'y = Add s beta'], (s, t) => [1 / s, t]],
		[['s = Div x variance', 'y = Sub s beta'], (s, t) => [1 / s, -t]],
		[['a = Sub x beta', 'n = Div a variance', 'y = Mul n variance'], (s, t) => [1, (-t / s) * s]],
		[['s = Mul x variance', 'y = Sub beta s'], (s, t) => [-s, t]],
		[['s = Div x variance', 'y = Sub beta s'], (s, t) => [-1 / s, t]],
		[['s = Mul x variance', 'n = Neg s', 'y = Add beta n'], (s, t) => [-s, t]],
		[['s = Mul x variance', 'n = Neg s', 'y = Sub beta n'], (s, t) => [s, t]],
		[['s = Mul x variance', 'n = Neg s', 'y = Sub n beta'], (s, t) => [-s, -t]],
		[['a = Sub beta x', 'y = Mul a variance'], (s, t) => [-s, t * s]],
		[['a = Sub beta x', 'n = Neg a', 'y = Div n variance'], (s, t) => [1 / s, -t / s]],
		[['a = Add x beta', 'n = Neg a', 'y = Mul n variance'], (s, t) => [-s, -t * s]],
	];
	for (const [lines, map] of forms) {
		const layer = await single(...lines);
		const maps = VARIANCE.map((scale, c) => map(scale, BETA[c]));
		for (const [c, [scale, shift]] of maps.entries()) {
			assert.ok(Math.abs((layer.affine?.scale[c] ?? Number.NaN) - scale) < 1e-12, lines.join('; '));
			assert.ok(Math.abs((layer.affine?.shift[c] ?? Number.NaN) - shift) < 1e-12, lines.join('; '));
		}
		assert.deepEqual([layer.mean.values, layer.beta.values, layer.output], [null, null, 'y'], lines.join('; '));
	}
});

test('a changed sign belongs to gamma', async () => {
	const deviation = ['v = Add variance epsilon', 'd = Sqrt v'];
	for (const lines of [
		['a = Sub mean x', 'n = Div a d', 's = Mul n gamma', 'y = Add s beta'],
		['a = Sub x mean', 'n = Div a d', 's = Mul n gamma', 'y = Sub beta s'],
		['a = Sub x mean', 'm = Neg a', 'n = Div m d', 's = Mul n gamma', 'y = Add s beta'],
		['a = Sub mean x', 'n = Div a d', 's = Mul n gamma', 'm = Neg s', 'k = Identity m', 'y = Sub beta k'],
	]) {
		assertSeparated(
			await single(...deviation, ...lines),
			GAMMA.map((gamma) => -gamma),
		);
	}
	assertSeparated(await single(...deviation, 'a = Sub mean x', 'n = Div a d', 's = Mul n gamma', 'y = Sub beta s'));
});

test('a normalization without gamma and beta shows its mean and variance', async () => {
	const deviation = ['v = Add variance epsilon', 'd = Sqrt v'];
	for (const lines of [
		['a = Sub x mean', 'y = Div a d'],
		['r = Reciprocal d', 'a = Sub x mean', 'y = Mul a r'],
	]) {
		const resolved = parameterValues(await single(...deviation, ...lines));
		assert.ok(resolved.ok);
		const { gamma, beta, mean, variance } = resolved.value;
		assert.deepEqual([[...mean], [...variance]], [MEAN, VARIANCE]);
		assert.deepEqual([[...gamma], [...beta]], [Array(C).fill(1), Array(C).fill(0)]);
	}
});

test('each step belongs to one chain, which is the longest', async () => {
	const spans = async (...lines: string[]) =>
		(await layersOf(nodesOf(...lines))).map(({ input, output }) => `${input} to ${output}`);
	assert.deepEqual(await spans('a = Sub x mean', 'n = Div a variance', 's = Mul n gamma', 'y = Add s beta'), [
		'x to y',
	]);
	assert.deepEqual(await spans('s = Mul x gamma', 'a = Add s beta', 'y = Mul a variance'), ['x to a']);
	assert.deepEqual(
		await spans('a = Add x beta', 's = Mul a gamma', 'r = Relu s', 'b = Sub r mean', 'y = Div b variance'),
		['x to s', 'r to y'],
	);
});

test('shift and scale of an input, of rows, or of a dense layer with its bias prepare values', async () => {
	const constants = ['k', 't'].map((name, at) => perChannel(name, [GAMMA, BETA][at], [C]));
	const count = async (front: readonly NodeSpec[], shape: readonly number[], op: string, dims: readonly number[]) => {
		const nodes = [
			...front,
			{ op, inputs: [front.length > 0 ? 'x' : 'i', 't'], outputs: ['a'] },
			{ op: 'Div', inputs: ['a', 'k'], outputs: ['y'] },
		];
		const initializers = [
			...constants.map((constant) => ({ ...constant, dims })),
			perChannel('w', Array(C * C).fill(1), [C, C]),
		];
		return (await layersOf(nodes, { initializers, inputs: [{ name: 'i', shape }] })).length;
	};
	const relu = [{ op: 'Relu', inputs: ['i'], outputs: ['x'] }];
	const dense = [{ op: 'MatMul', inputs: ['i', 'w'], outputs: ['x'] }];
	assert.equal(await count([], [2, C], 'Sub', [C]), 0, 'standardized features');
	assert.equal(await count([], [2, C, 8, 8], 'Sub', [C, 1, 1]), 0, 'a standardized image');
	assert.equal(await count(relu, [2, C], 'Sub', [C]), 0, 'rows');
	assert.equal(await count(relu, [2, 3, C], 'Sub', [C]), 0, 'the last axis');
	assert.equal(await count(relu, [2, C, 8, 8], 'Sub', [C, 1, 1]), 1, 'a feature map');
	assert.equal(await count(dense, [2, C], 'Sub', [C]), 1, 'a dense layer');
	assert.equal(await count(dense, [2, C], 'Add', [C]), 0, 'a dense layer with its bias');
});

test("another normalization's own scale and shift is no layer", async () => {
	const tail = [
		{ op: 'Mul', inputs: ['h', 'gamma'], outputs: ['s'] },
		{ op: 'Add', inputs: ['s', 'beta'], outputs: ['y'] },
	];
	const shape = [1, C, 4, 4];
	const declared = { inputs: [{ name: 'i', shape }], valueInfo: [{ name: 'h', shape }] };
	const group = [
		{ op: 'Reshape', inputs: ['i', 's1'], outputs: ['r'] },
		{ op: 'InstanceNormalization', inputs: ['r', 'one', 'zero'], outputs: ['q'] },
		{ op: 'Reshape', inputs: ['q', 's2'], outputs: ['h'] },
	];
	assert.deepEqual(await layersOf([...group, ...tail], declared), []);
	const layerNorm = [
		{ op: 'ReduceMean', inputs: ['i'], outputs: ['r'] },
		{ op: 'Div', inputs: ['i', 'r'], outputs: ['h'] },
	];
	assert.deepEqual(await layersOf([...layerNorm, ...tail], declared), []);
	const batch = [{ op: 'BatchNormalization', inputs: ['i', 'a', 'a', 'a', 'a'], outputs: ['h'] }];
	assert.deepEqual(
		(await layersOf([...batch, ...tail], declared)).map(({ kind }) => kind),
		['batchnorm'],
	);
});

test('scale and shift of an image at the input prepare it; with more channels they may be a layer', async () => {
	const prepare = async (channels: number) => {
		const values = GAMMA.slice(0, channels);
		const initializers = [perChannel('k', values, [channels, 1, 1]), perChannel('t', values, [channels, 1, 1])];
		const nodes = [
			{ op: 'Mul', inputs: ['i', 'k'], outputs: ['s'] },
			{ op: 'Add', inputs: ['s', 't'], outputs: ['y'] },
		];
		return (await layersOf(nodes, { initializers, inputs: [{ name: 'i', shape: [1, channels, 8, 8] }] })).length;
	};
	assert.deepEqual([await prepare(3), await prepare(C)], [0, 1]);
});

test('a gate computed at run time is no constant', async () => {
	const nodes = [
		{ op: 'Mul', inputs: ['i', 'gate'], outputs: ['s'] },
		{ op: 'Add', inputs: ['s', 'beta'], outputs: ['y'] },
		{ op: 'Sigmoid', inputs: ['g'], outputs: ['gate'] },
	];
	const inputs = [
		{ name: 'i', shape: [1, C, 4, 4] },
		{ name: 'g', shape: [1, C, 1, 1] },
	];
	assert.deepEqual(await layersOf(nodes, { inputs }), []);
});

test('layers of both kinds come in graph order', async () => {
	const chain = nodesOf('s = Mul x gamma', 'h = Add s beta');
	const operator = { op: 'BatchNormalization', name: 'bn', inputs: ['h', 'g', 'g', 'g', 'g'], outputs: ['y'] };
	const again = [
		{ op: 'Relu', inputs: ['y'], outputs: ['r'] },
		{ op: 'Mul', inputs: ['gamma', 'r'], outputs: ['s2'] },
		{ op: 'Add', name: 'last', inputs: ['beta', 's2'], outputs: ['z'] },
	];
	const layers = await layersOf([...chain, operator, ...again], { outputs: ['z'] });
	assert.deepEqual(
		layers.map(({ name, kind }) => [name, kind]),
		[
			['n_h', 'decomposed'],
			['bn', 'batchnorm'],
			['last', 'decomposed'],
		],
	);
});
