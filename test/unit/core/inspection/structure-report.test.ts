import assert from 'node:assert/strict';
import { test } from 'node:test';
import { affine } from '../../../../src/core/batchnorm/affine.js';
import { findLayers } from '../../../../src/core/batchnorm/find.js';
import { type StructureOptions, structureReport } from '../../../../src/core/inspection/structure-report.js';
import { encodeReport, parseReport } from '../../../../src/core/report/json.js';
import { expectedLayers, openFixture } from '../../support/fixtures.js';
import type { ModelSpec } from '../../support/model-builder.js';
import { open } from '../../support/open.js';
import { smallGraph } from '../../support/small-model.js';

async function report(spec: ModelSpec, options?: StructureOptions) {
	const { model, source } = await open(spec);
	const access = { source };
	return structureReport({ model, layers: await findLayers(model, access), access }, options);
}

test('the structure of a model leaves open all results of a run', async () => {
	const { model, layers, run } = await report({
		graph: smallGraph(),
		opset: 13,
		producer: 'maker',
		producerVersion: '2',
	});
	assert.deepEqual(
		{ ...model, bytes: 0 },
		{ path: 'model.onnx', bytes: 0, format: 'onnx', irVersion: 8, opset: 13, producer: 'maker 2', nodes: 3 },
	);
	assert.ok(model.bytes > 200);
	assert.deepEqual(run, { status: 'pending', runtime: '', inputs: [], milliseconds: {} });
	const [{ parameters, affine: map, findings, ...rest }] = layers;
	assert.deepEqual(rest, {
		name: 'bn',
		graph: '',
		output: 'b',
		channels: 2,
		dtype: 'float32',
		opset: 13,
		epsilon: Math.fround(1e-5),
		momentum: Math.fround(0.9),
		mode: 'inference',
		axes: 'channel',
		kind: 'batchnorm',
		source: { op: 'Conv', name: 'conv' },
		parametersFrom: 'initializer',
		recompute: { status: 'pending' },
		batch: null,
		foldable: { into: 'conv', reasons: [] },
	});
	assert.deepEqual(findings, []);
	assert.ok(parameters);
	assert.deepEqual(map, affine([1, 2], [0, 1], [0.5, -0.5], [1, 4], Math.fround(1e-5)));
});

test('a layer whose parameters are not constant says why, and has no map', async () => {
	const graph = smallGraph();
	const initializers = graph.initializers?.filter(({ name }) => name !== 'mean');
	const [layer] = (await report({ graph: { ...graph, initializers, inputs: ['x', 'mean'] } })).layers;
	assert.deepEqual([layer.parameters, layer.affine, layer.channels], [null, null, 2]);
	assert.equal(layer.parametersReason, 'Only known at run time: mean (an input of the graph).');
	assert.deepEqual(layer.foldable, { into: null, reasons: ['dynamic-parameter'] });
});

test('a decomposed layer that cannot be taken apart has its map all the same', async () => {
	const graph = {
		inputs: [{ name: 'x', shape: [1, 5, 4, 4] }],
		outputs: ['y'],
		initializers: ['k', 't'].map((name) => ({ name, dims: [5, 1, 1], values: [1, 2, 3, 4, 5] })),
		nodes: [
			{ op: 'Mul', inputs: ['x', 'k'], outputs: ['s'] },
			{ op: 'Add', inputs: ['s', 't'], outputs: ['y'] },
		],
	};
	const [layer] = (await report({ graph })).layers;
	assert.deepEqual([layer.kind, layer.parameters, layer.source], ['decomposed', null, null]);
	assert.deepEqual(layer.affine, { scale: Float64Array.of(1, 2, 3, 4, 5), shift: Float64Array.of(1, 2, 3, 4, 5) });
	assert.match(layer.parametersReason ?? '', /cannot be told apart/);
});

test('health sees the ReLU behind a layer, and its thresholds can be set', async () => {
	const codes = async (beta: number[], options?: StructureOptions) => {
		const graph = smallGraph();
		const initializers = graph.initializers?.map((tensor) =>
			tensor.name === 'beta' ? { ...tensor, values: beta } : tensor,
		);
		const [layer] = (await report({ graph: { ...graph, initializers } }, options)).layers;
		return layer.findings.map(({ code, channels }) => [code, channels]);
	};
	assert.deepEqual(await codes([-3, -5.9]), [['constant-channel', [0]]]);
	assert.deepEqual(await codes([-3, -5.9], { thresholds: { sigmas: 2.9 } }), [['constant-channel', [0, 1]]]);
});

test('a layer without influence on any output is reported, on paths of any length', async () => {
	const parameters = ['g', 'b', 'm', 'v'];
	const norm = (name: string, from: string) => ({
		op: 'BatchNormalization',
		name,
		inputs: [from, ...parameters],
		outputs: [name],
	});
	const graph = {
		inputs: [{ name: 'x', shape: [1, 2, 3] }],
		outputs: ['y'],
		initializers: parameters.map((name) => ({ name, values: [1, 2] })),
		nodes: [
			norm('live', 'x'),
			norm('lost', 'live'),
			{ op: 'Relu', inputs: ['lost'], outputs: ['dropped'] },
			norm('end', 'dropped'),
			{ op: 'Relu', inputs: ['live'], outputs: ['y'] },
		],
	};
	const { layers } = await report({ graph });
	assert.deepEqual(
		layers.map(({ name, findings }) => [name, findings.some(({ code }) => code === 'unused-by-runtime')]),
		[
			['live', false],
			['lost', true],
			['end', true],
		],
	);
});

test("PyTorch's network: names, map and sources of every layer", async () => {
	const { model, source } = await openFixture('plain_cnn.onnx');
	const access = { source };
	const { layers } = await structureReport({ model, layers: await findLayers(model, access), access });
	const expected = expectedLayers('plain_cnn').map(({ weight, bias, running_mean, running_var, eps }) =>
		affine(weight ?? [], bias ?? [], running_mean, running_var, Math.fround(eps)),
	);
	assert.deepEqual(
		layers.map((layer) => layer.affine),
		expected,
	);
	assert.ok(layers.every((layer) => layer.source?.op === 'Conv' && layer.foldable.into === layer.source.name));
});

test('versions and sizes that are no counts, which only a broken file states, make a report that can be read', async () => {
	const nodes = [{ op: 'BatchNormalization', inputs: ['x', 'p', 'p', 'p', 'p'], outputs: ['y'] }];
	const inputs = [{ name: 'x', shape: [1, 2 ** 60] }];
	const graph = { inputs, outputs: ['y'], initializers: [{ name: 'p', values: [1] }], nodes };
	const made = await report({ irVersion: -1, opset: 2 ** 60, graph });
	assert.deepEqual([made.model.irVersion, made.model.opset, made.layers[0].opset], [0, 0, 0]);
	assert.equal(made.layers[0].inputShape, undefined);
	assert.deepEqual(parseReport(JSON.parse(JSON.stringify(encodeReport(made)))).model, made.model);
});

test('a report with the longest names that a model may have can be read again', async () => {
	const long = (start: string) => start.padEnd(65_000, '_');
	const names = ['gamma', 'beta', 'mean', 'variance'].map(long);
	const nodes = [
		{ op: 'BatchNormalization', name: long('bn'), inputs: ['x', ...names], outputs: [long('y')] },
		{
			op: 'BatchNormalization',
			name: long('open'),
			inputs: [long('y'), ...names.map((name) => `${name}?`)],
			outputs: ['z'],
		},
	];
	const initializers = names.map((name) => ({ name, values: [1, 2] }));
	const inputs = [{ name: 'x', shape: [1, 2] }, ...names.map((name) => ({ name: `${name}?`, shape: [2] }))];
	const found = await report({ graph: { nodes, initializers, inputs, outputs: ['z'] } });
	assert.equal(found.layers[0].name.length, 65_000);
	assert.deepEqual(parseReport(JSON.parse(JSON.stringify(encodeReport(found)))), found);
});
