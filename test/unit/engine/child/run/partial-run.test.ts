import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import type { Report } from '../../../../../src/core/report/types.js';
import { parseNpy } from '../../../../../src/engine/child/tensors/npy.js';
import type { TensorData } from '../../../../../src/engine/child/tensors/tensor.js';
import { inspectBytes } from '../../../support/inspect.js';
import { buildModel, type GraphSpec, type NodeSpec, type TensorSpec } from '../../../support/model-builder.js';

const C = 4;
let folder: string;
before(async () => {
	folder = await mkdtemp(path.join(tmpdir(), 'bnl-partial-'));
});
after(() => rm(folder, { recursive: true }));

const wave = (length: number, phase: number) => Array.from({ length }, (_, i) => Math.sin(i * 1.7 + phase));

function parameters(prefix: string): TensorSpec[] {
	const positive = wave(C, 3).map((value) => 1.1 + value);
	return [
		{ name: `${prefix}.g`, values: wave(C, 1) },
		{ name: `${prefix}.b`, values: wave(C, 2) },
		{ name: `${prefix}.m`, values: wave(C, 4) },
		{ name: `${prefix}.v`, values: positive },
	];
}

function batchNorm(name: string, input: string, output: string, attributes: NodeSpec['attributes'] = {}): NodeSpec {
	const inputs = [input, ...['g', 'b', 'm', 'v'].map((each) => `${name}.${each}`)];
	return { op: 'BatchNormalization', name, inputs, outputs: [output], attributes };
}

function conv(name: string, input: string, output: string): [NodeSpec, TensorSpec] {
	return [
		{ op: 'Conv', name, inputs: [input, `${name}.w`], outputs: [output] },
		{ name: `${name}.w`, dims: [C, C, 1, 1], values: wave(C * C, name.length) },
	];
}

/** x, Conv, BN "first", Identity, Conv, BN "second", added to the first one's output: y. */
function residual(attributes: NodeSpec['attributes'], between: readonly NodeSpec[] = []): GraphSpec {
	const [conv1, weight1] = conv('conv1', 'x', 'c1');
	const [conv2, weight2] = conv('conv2', 'r1', 'c2');
	// One of the few operators with a kernel for every opset.
	const identity = {
		op: 'Identity',
		name: 'identity',
		inputs: [between.at(-1)?.outputs?.[0] ?? 'n1'],
		outputs: ['r1'],
	};
	return {
		inputs: [{ name: 'x', shape: [2, C, 5, 3] }],
		outputs: [{ name: 'y', shape: [2, C, 5, 3] }],
		initializers: [weight1, weight2, ...parameters('first'), ...parameters('second')],
		nodes: [
			conv1,
			batchNorm('first', 'c1', 'n1', attributes),
			...between,
			identity,
			conv2,
			batchNorm('second', 'c2', 'n2', attributes),
			{ op: 'Sum', name: 'sum', inputs: ['n2', 'n1'], outputs: ['y'] },
		],
	};
}

const numbers = (data: TensorData) => Array.from<number | bigint, number>(data, Number);
const verdicts = (report: Report) => report.layers.map(({ recompute }) => recompute.status);
const reasons = (report: Report) => report.layers.map(({ recompute }) => recompute.reason ?? '');

async function saved(bytes: Uint8Array, name: string) {
	const saveOutputs = path.join(folder, name);
	const { report } = await inspectBytes(bytes, { saveOutputs });
	const outputs = await Promise.all(
		report.layers.map(async (_, index) => parseNpy(await readFile(path.join(saveOutputs, `${index}.npy`)), name)),
	);
	return { report, outputs };
}

test('a missing kernel is named with the types that it lacks', async () => {
	const graph = {
		inputs: [{ name: 'x', shape: [1, 2, 3] }],
		outputs: ['y'],
		initializers: ['g', 'b', 'm', 'v'].map((name) => ({
			name,
			values: [1, 2],
			dtype: name === 'm' || name === 'v' ? ('float64' as const) : ('float32' as const),
		})),
		nodes: [{ op: 'BatchNormalization', inputs: ['x', 'g', 'b', 'm', 'v'], outputs: ['y'] }],
	};
	const { report } = await saved(buildModel({ opset: 15, graph }), 'types');
	assert.match(
		reasons(report)[0] ?? '',
		/kernel for opset 15 with x of float32, mean of float64, variance of float64;/,
	);
});

test('layers of an opset without a kernel are recomputed in a chain, by the rules of a later opset', async () => {
	const known = await saved(buildModel({ opset: 15, graph: residual({}) }), 'opset15');
	assert.deepEqual(verdicts(known.report), ['match', 'match']);
	for (const opset of [1, 6]) {
		const attributes = { is_test: { i: 1 }, ...(opset === 1 && { consumed_inputs: { ints: [0, 0, 0, 1, 1] } }) };
		const { report, outputs } = await saved(buildModel({ opset, graph: residual(attributes) }), `opset${opset}`);
		assert.equal(report.run.status, 'ok', report.run.reason);
		assert.deepEqual(verdicts(report), ['skipped', 'skipped']);
		for (const reason of reasons(report)) {
			assert.equal(
				reason,
				`onnxruntime has no BatchNormalization kernel for opset ${opset}; the layer was recomputed here, but there is nothing to compare it with.`,
			);
		}
		for (const [index, { type, shape, data }] of outputs.entries()) {
			const expected = known.outputs[index];
			assert.deepEqual([type, shape], [expected.type, expected.shape]);
			const right = numbers(expected.data);
			const worst = Math.max(...numbers(data).map((value, i) => Math.abs(value - right[i])));
			assert.ok(worst < 1e-5, `layer ${index} differs by ${worst}`);
			assert.deepEqual(report.layers[index].batch?.count, known.report.layers[index].batch?.count);
			assert.ok(
				Math.abs((report.layers[index].batch?.mean[0] ?? 9) - (known.report.layers[index].batch?.mean[0] ?? 0)) < 1e-5,
			);
		}
	}
});

test('training mode of an old opset is recomputed with the statistics of the batch', async () => {
	const { report, outputs } = await saved(buildModel({ opset: 6, graph: residual({ is_test: { i: 0 } }) }), 'training');
	assert.equal(report.layers[0].mode, 'training');
	const [{ data }] = outputs;
	const channel = (c: number) => numbers(data).filter((_, i) => Math.floor(i / 15) % C === c);
	for (let c = 0; c < C; c++) {
		const values = channel(c);
		const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
		assert.ok(Math.abs(mean - wave(C, 2)[c]) < 1e-5, 'the mean of a normalized batch is beta');
	}
});

test('an operator that is missing behind the layers does not keep them from being checked', async () => {
	const graph = residual({});
	const nodes = [...(graph.nodes ?? []), { op: 'Finish', domain: 'com.example', inputs: ['y'], outputs: ['z'] }];
	const bytes = buildModel({ opsets: { 'com.example': 1 }, graph: { ...graph, nodes, outputs: ['z'] } });
	const { report } = await inspectBytes(bytes);
	assert.equal(report.run.status, 'ok');
	assert.match(report.run.reason ?? '', /Finish.*; what stands in front of the layers was run without the rest\.$/);
	assert.deepEqual(verdicts(report), ['match', 'match']);
	assert.ok(report.layers.every(({ batch }) => batch !== null));
});

test('layers behind a missing operator name it, and the other layers are checked', async () => {
	const odd = { op: 'Odd', name: 'odd', domain: 'com.example', inputs: ['n1'], outputs: ['o'] };
	const { report } = await inspectBytes(buildModel({ opsets: { 'com.example': 1 }, graph: residual({}, [odd]) }));
	assert.equal(report.run.status, 'ok', report.run.reason);
	assert.deepEqual(verdicts(report), ['match', 'skipped']);
	assert.equal(
		reasons(report)[1],
		'Not checked: the layer\'s input depends on Odd "odd" of domain com.example, which onnxruntime cannot run.',
	);
});

test('a graph that loads but does not run is run up to its layers', async () => {
	const graph = residual({});
	const nodes = [...(graph.nodes ?? []), { op: 'Reshape', name: 'head', inputs: ['y', 'shape'], outputs: ['z'] }];
	const initializers = [...(graph.initializers ?? []), { name: 'shape', dtype: 'int64' as const, values: [1, 7] }];
	const inputs = [{ name: 'x', shape: [2, C, 'H', 'W'] }];
	const { report } = await inspectBytes(
		buildModel({ graph: { ...graph, nodes, initializers, inputs, outputs: ['z'] } }),
	);
	assert.equal(report.run.status, 'ok', report.run.reason);
	assert.match(report.run.reason ?? '', /^onnxruntime failed while running this model: .*head/);
	assert.deepEqual(verdicts(report), ['match', 'match']);
});

test('bfloat16 layers are recomputed, from an input of the model and from tensors that the runtime computes', async () => {
	const narrow = { dtype: 'bfloat16' as const };
	const initializers = ['first', 'second'].flatMap(parameters).map((tensor) => ({ ...tensor, ...narrow }));
	const graph: GraphSpec = {
		inputs: [
			{ name: 'x', shape: [2, C, 3] },
			{ name: 'b', shape: [2, C, 3], ...narrow },
		],
		outputs: [
			{ name: 'y', shape: [2, C, 3] },
			{ name: 'z', shape: [2, C, 3], ...narrow },
		],
		initializers,
		nodes: [
			{ op: 'Cast', inputs: ['x'], outputs: ['n'], attributes: { to: { i: 16 } } },
			batchNorm('first', 'n', 'm'),
			{ op: 'Cast', inputs: ['m'], outputs: ['y'], attributes: { to: { i: 1 } } },
			batchNorm('second', 'b', 'z'),
		],
	};
	const { report, outputs } = await saved(buildModel({ opset: 15, graph }), 'bfloat16');
	assert.equal(report.run.status, 'ok', report.run.reason);
	for (const [index, layer] of report.layers.entries()) {
		assert.match(layer.recompute.reason ?? '', /^onnxruntime has no BatchNormalization kernel for bfloat16; /);
		assert.equal(layer.dtype, 'bfloat16');
		assert.equal(layer.batch?.count, 6);
		assert.equal(outputs[index].data.length, 2 * C * 3);
	}
	// What the layer was given has no more than bfloat16's eight significant bits: so has each product with a power of two.
	const { scale, shift } = report.layers[0].affine ?? { scale: [], shift: [] };
	const x = (Number(outputs[0].data[0]) - shift[0]) / scale[0];
	assert.ok(Math.abs(x * 2 ** 8 - Math.round(x * 2 ** 8)) < 1e-3, `${x} is a multiple of 2^-8`);
});

test("a failure that belongs to no part of the file is reported in the runtime's words", async () => {
	const { report } = await inspectBytes(buildModel({ irVersion: 99, graph: residual({}) }));
	assert.equal(report.run.status, 'failed');
	assert.match(report.run.reason ?? '', /^onnxruntime cannot load this model: .*IR version/);
	assert.deepEqual(reasons(report), ['Not checked: the run failed.', 'Not checked: the run failed.']);
});

test('inputs that cannot be fed keep only the layers from being checked that depend on them', async () => {
	const graph: GraphSpec = {
		inputs: [
			{ name: 'x', shape: [2, C, 5, 3] },
			{ name: 'words', dtype: 'string', shape: [1] },
		],
		outputs: ['n2'],
		initializers: [...parameters('first'), ...parameters('second')],
		nodes: [
			batchNorm('first', 'x', 'n1'),
			{ op: 'Size', inputs: ['words'], outputs: ['count'] },
			{ op: 'Cast', inputs: ['count'], outputs: ['size'], attributes: { to: { i: 1 } } },
			{ op: 'Add', inputs: ['n1', 'size'], outputs: ['a'] },
			batchNorm('second', 'a', 'n2'),
		],
	};
	const { report } = await inspectBytes(buildModel({ graph }));
	assert.equal(report.run.status, 'ok', report.run.reason);
	assert.equal(
		report.run.reason,
		'Input "words" has element type string, which cannot be fed; what stands in front of the layers was run without the rest.',
	);
	assert.deepEqual(verdicts(report), ['match', 'skipped']);
	assert.equal(reasons(report)[1], 'Not checked: the layer depends on input "words", which gets no value.');
	assert.deepEqual(
		report.run.inputs.map(({ name }) => name),
		['x'],
	);

	const all = await inspectBytes(buildModel({ graph: { ...graph, inputs: [{ name: 'x' }, 'words'] } }));
	assert.equal(all.report.run.status, 'failed');
	assert.equal(all.report.run.reason, 'Input "x" does not say how many dimensions it has: give a file for it.');
});

test('a missing part of a layer is reported as missing, and never as a wrong result', async () => {
	const bn = (inputs: readonly string[], outputs: readonly string[] = ['y']) => ({
		inputs: [{ name: 'x', shape: [2, C, 3] }],
		outputs: ['y'],
		initializers: parameters('bn'),
		nodes: [{ op: 'BatchNormalization', inputs, outputs }],
	});
	const four = ['g', 'b', 'm', 'v'].map((name) => `bn.${name}`);
	const told = async (graph: GraphSpec) => {
		const { report } = await inspectBytes(buildModel({ graph }));
		return { reason: reasons(report)[0], status: verdicts(report)[0], run: report.run.reason ?? '' };
	};
	const without = async (graph: GraphSpec, reason: string) => {
		const { status, reason: found } = await told(graph);
		assert.deepEqual([status, found], ['skipped', `Not checked: ${reason}.`]);
	};
	await without(bn(['x', ...four], []), 'the node has no output');
	await without(bn([]), 'the node has no input');
	await without(bn(['x', 'bn.g']), 'the node has not all of gamma, beta, mean and variance');
	await without(bn(['nowhere', ...four]), 'nothing in the graph writes "nowhere", the layer\'s input');
	assert.match((await told(bn(['nowhere', ...four]))).run, /Node input 'nowhere' is not a graph input/);
});

test('an operator that loads and does not run keeps only the layers behind it from being checked', async () => {
	const reshape = { op: 'Reshape', name: 'head', inputs: ['n1', 'shape'], outputs: ['o'] };
	const graph = residual({}, [reshape]);
	const initializers = [
		...(graph.initializers ?? []),
		{ name: 'shape', dtype: 'int64' as const, values: [1, C, 7, 1] },
	];
	const inputs = [{ name: 'x', shape: [2, C, 'H', 'W'] }];
	const { report } = await inspectBytes(buildModel({ graph: { ...graph, initializers, inputs } }));
	assert.equal(report.run.status, 'ok', report.run.reason);
	assert.match(
		report.run.reason ?? '',
		/^onnxruntime failed while running this model: .*; what stands in front of the/,
	);
	assert.deepEqual(verdicts(report), ['match', 'skipped']);
	assert.match(
		reasons(report)[1],
		/^Not checked: the layer's input depends on Reshape "head", which onnxruntime cannot run \(.*cannot be reshaped.*\)\.$/,
	);
});

test('statistics per activation with parameters per channel run only in a fused node, and the report says so', async () => {
	const [conv1, weight] = conv('conv1', 'x', 'c1');
	const graph: GraphSpec = {
		inputs: [{ name: 'x', shape: [2, C, 5, 3] }],
		outputs: ['y'],
		initializers: [weight, ...parameters('first')],
		nodes: [conv1, batchNorm('first', 'c1', 'y', { spatial: { i: 0 } })],
	};
	const { report } = await inspectBytes(buildModel({ opset: 7, graph }));
	assert.equal(report.layers[0].axes, 'channel');
	assert.match(reasons(report)[0], /^onnxruntime refuses the layer \(.*NumDimensions\(\) != 3.*was recomputed here/);
});

test('a tensor written by two nodes, one of them without inputs, leaves the layers in front of it checked', async () => {
	const nodes: NodeSpec[] = [
		batchNorm('first', 'x', 'n1'),
		{ op: 'Relu', inputs: ['n1'], outputs: ['r'] },
		batchNorm('second', 'r', 'n2'),
		{ op: 'Neg', name: 'stray', inputs: ['nowhere'], outputs: ['s'] },
		{ op: 'Add', inputs: ['s', 's'], outputs: ['n2'] },
		{ op: 'Abs', inputs: ['n2'], outputs: ['y'] },
	];
	const graph: GraphSpec = {
		inputs: [{ name: 'x', shape: [2, C, 5, 3] }],
		outputs: ['y'],
		initializers: [...parameters('first'), ...parameters('second')],
		nodes,
	};
	const { report } = await inspectBytes(buildModel({ graph }));
	assert.deepEqual(verdicts(report), ['match', 'skipped']);
	assert.equal(
		reasons(report)[1],
		'onnxruntime refuses the layer (another node writes "n2" as well); the layer was recomputed here, but there is nothing to compare it with.',
	);
});
