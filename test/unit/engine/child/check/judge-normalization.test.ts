import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LayerReport, Normalization } from '../../../../../src/core/report/types.js';
import { FIXTURE_MODELS } from '../../../support/captured-layers.js';
import { fixture } from '../../../support/fixtures.js';
import { inspectBytes, inspectModel } from '../../../support/inspect.js';
import { buildModel, type NodeSpec } from '../../../support/model-builder.js';

const C = 4;
const SHAPE = [3, C, 5, 6];
const NAMES = ['gamma', 'beta', 'mean', 'var'];

/** One layer; per activation its parameters have shape (C, 5, 6). */
function model(node: Partial<NodeSpec>, { opset = 15, shape = SHAPE, perActivation = false } = {}): Uint8Array {
	const dims = perActivation ? shape.slice(1) : [C];
	const size = dims.reduce((product, dim) => product * dim, 1);
	return buildModel({
		opset,
		graph: {
			inputs: [{ name: 'x', shape }],
			outputs: [{ name: 'y', shape }],
			initializers: NAMES.map((name, k) => ({
				name,
				dims,
				values: Array.from({ length: size }, (_, i) => 0.5 + ((7 * i + 3 * k) % 11) / 10),
			})),
			nodes: [{ op: 'BatchNormalization', name: 'bn', inputs: ['x', ...NAMES], outputs: ['y'], ...node }],
		},
	});
}

async function judged(bytes: Uint8Array): Promise<Normalization> {
	const { report } = await inspectBytes(bytes);
	const [{ normalization }] = report.layers;
	assert.ok(normalization, JSON.stringify(report.layers[0].recompute));
	return normalization;
}

const of = (normalization: Normalization, wanted: string) =>
	normalization.methods.find(({ method }) => method === wanted);

for (const name of FIXTURE_MODELS) {
	test(`${name}: the layers of an exported model use their running statistics`, async () => {
		const inputs = [{ input: undefined, path: fixture(`${name}.input.npy`) }];
		const { report } = await inspectModel({ path: fixture(`${name}.onnx`) }, { inputs });
		assert.ok(report.layers.length > 0);
		for (const { name: layer, normalization, channels } of report.layers) {
			assert.equal(normalization?.verdict, 'running', `${layer}: ${JSON.stringify(normalization)}`);
			assert.ok((normalization?.margin ?? 0) > 10);
			assert.ok((of(normalization, 'running')?.residual ?? 1) <= (normalization?.tolerance ?? 0));
			assert.equal(of(normalization, 'channel')?.statistics, channels);
		}
	});
}

test("each method's number of averaged values is counted in the whole tensor", async () => {
	const { methods } = await judged(model({}));
	assert.deepEqual(
		methods.map(({ method, statistics, effectiveBatch }) => [method, statistics, effectiveBatch]),
		[
			['location', 30, 12],
			['activation', 120, 3],
			['channel', C, 90],
			['running', C, undefined],
		],
	);
});

test('training mode uses the statistics of the batch, per channel', async () => {
	const training = { attributes: { training_mode: { i: 1 } }, outputs: ['y', 'running_mean', 'running_var'] };
	const normalization = await judged(model(training));
	assert.equal(normalization.verdict, 'channel');
	assert.ok((normalization.margin ?? 0) > 10);
});

test('spatial=0 with stored statistics has a statistic for each activation', async () => {
	const normalization = await judged(model({ attributes: { spatial: { i: 0 } } }, { opset: 7, perActivation: true }));
	assert.equal(normalization.verdict, 'running');
	assert.equal(of(normalization, 'running')?.statistics, 120);
});

test('a channel of one value is undecided', async () => {
	const { verdict, reason, tolerance } = await judged(model({}, { shape: [1, C] }));
	assert.deepEqual([verdict, tolerance], ['cannot-tell', undefined]);
	assert.match(reason ?? '', /only one value a channel/);
});

test('in training mode without spatial axes per channel and per activation are undecided', async () => {
	const training = { attributes: { training_mode: { i: 1 } }, outputs: ['y', 'running_mean', 'running_var'] };
	const { verdict, reason } = await judged(model(training, { shape: [16, C] }));
	assert.equal(verdict, 'cannot-tell');
	assert.match(reason ?? '', /per channel and per activation are the same/);
});

test('a scale and a shift alone are not distinguished from statistics of the batch', async () => {
	// More channels than an image has, or it would be taken for preprocessing.
	const shape = [3, 6, 5, 6];
	const values = [1.5, -0.5, 2, 0.25, 1, 3];
	const { verdict, reason } = await judged(
		buildModel({
			opset: 15,
			graph: {
				inputs: [{ name: 'i', shape }],
				outputs: [{ name: 'y', shape }],
				initializers: [
					{ name: 'w', dims: [6, 1, 1, 1], values },
					...['scale', 'shift'].map((name) => ({ name, dims: [6, 1, 1], values })),
				],
				nodes: [
					{ op: 'Conv', name: 'conv', inputs: ['i', 'w'], outputs: ['x'], attributes: { group: { i: 6 } } },
					{ op: 'Mul', name: 'mul', inputs: ['x', 'scale'], outputs: ['scaled'] },
					{ op: 'Add', name: 'add', inputs: ['scaled', 'shift'], outputs: ['y'] },
				],
			},
		}),
	);
	assert.equal(verdict, 'cannot-tell');
	assert.match(reason ?? '', /Gamma and beta are needed/);
});

test('without an output of the runtime there is no judgment', async () => {
	const { report } = await inspectBytes(model({}), { run: false });
	const layer: LayerReport = report.layers[0];
	assert.equal(layer.normalization, undefined);
});
