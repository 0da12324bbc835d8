import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import type { Comparison } from '../../../../../src/core/report/comparison/comparison.js';
import { compare } from '../../../../../src/engine/child/compare.js';
import { loadRuntime } from '../../../../../src/engine/child/runtime/runtime.js';
import { createKernel } from '../../../../../src/kernel/index.js';
import type { CompareOptions } from '../../../../../src/protocol/host-engine.js';
import { fixture } from '../../../support/fixtures.js';
import { foldedModel } from '../../../support/folded.js';
import { buildModel } from '../../../support/model-builder.js';
import { mobileNetV2 } from '../../../support/networks.js';

const ports = { runtime: loadRuntime, kernel: createKernel, emit: () => {} };
const options: CompareOptions = { run: true, batch: 1, seed: 0 };
const small = mobileNetV2(64);
const inMemory = (bytes: Uint8Array, name: string) => ({ path: name, bytes });

const statuses = ({ layers }: Comparison) => layers.map(({ behavior }) => behavior?.status);

for (const seed of [0, 1]) {
	test(`every layer of a folded network is found by its values, seed ${seed}`, async () => {
		const deployed = inMemory(await foldedModel(small), 'deployed.onnx');
		const result = await compare(inMemory(small, 'original.onnx'), deployed, { ...options, seed }, ports);
		assert.deepEqual(new Set(statuses(result)), new Set(['match']));
		assert.equal(result.firstDifference, null);
		const worst = Math.max(...result.layers.map(({ behavior }) => (behavior?.maxAbs ?? 1) / (behavior?.bound ?? 0)));
		assert.ok(worst < 0.5, `rounding uses ${worst} of the bound`);
	});
}

test('a small memory budget captures in groups with the same result', async () => {
	const deployed = inMemory(await foldedModel(small), 'deployed.onnx');
	const tight = { ...options, memoryBudget: 3e6 };
	const result = await compare(inMemory(small, 'original.onnx'), deployed, tight, ports);
	assert.deepEqual(new Set(statuses(result)), new Set(['match']));
});

test('a wrong layer is where the models part, and the layers after it are behind', async () => {
	const deployed = inMemory(await foldedModel(small, { 10: 0.1 }), 'deployed.onnx');
	const result = await compare(inMemory(small, 'original.onnx'), deployed, options, ports);
	const found = statuses(result);
	assert.deepEqual(new Set(found.slice(0, 10)), new Set(['match']));
	assert.equal(found[10], 'mismatch');
	assert.deepEqual(new Set(found.slice(11)), new Set(['behind']));
	const [layer] = result.layers.slice(10);
	assert.match(result.firstDifference ?? '', /^BatchNormalization_/);
	assert.ok((layer.behavior?.snrDb ?? 0) < 60, 'the most similar tensor shows the noise');
});

test('each exported fold is found among networks with the same layers', async () => {
	for (const name of ['preact', 'depthwise', 'generator', 'conv3d']) {
		const pair = [`${name}.onnx`, `${name}.folded.onnx`].map((file) => ({ path: path.resolve(fixture(file)) }));
		const result = await compare(pair[0], pair[1], options, ports);
		assert.deepEqual(new Set(statuses(result)), new Set(['match']), name);
	}
});

test('random models are not compared, and the reason names the node', async () => {
	const channels = 8;
	const vector = (name: string) => ({ name, dims: [channels], values: new Array<number>(channels).fill(1) });
	const bytes = buildModel({
		opset: 15,
		graph: {
			inputs: [{ name: 'x', shape: [2, channels] }],
			outputs: ['y'],
			initializers: ['g', 'b', 'm', 'v'].map(vector),
			nodes: [
				{ op: 'RandomNormalLike', inputs: ['x'], outputs: ['noise'] },
				{ op: 'Add', inputs: ['x', 'noise'], outputs: ['sum'] },
				{ op: 'BatchNormalization', inputs: ['sum', 'g', 'b', 'm', 'v'], outputs: ['y'] },
			],
		},
	});
	const result = await compare(inMemory(bytes, 'a.onnx'), inMemory(bytes, 'b.onnx'), options, ports);
	assert.deepEqual(statuses(result), ['skipped']);
	assert.match(result.layers[0].behavior?.reason ?? '', /^RandomNormalLike makes the values random/);
});

test('without a run the behavior says so', async () => {
	const pair = [{ path: fixture('plain_cnn.onnx') }, { path: fixture('plain_cnn.folded.onnx') }] as const;
	const result = await compare(...pair, { ...options, run: false }, ports);
	assert.deepEqual([...new Set(statuses(result))], ['skipped']);
	assert.equal(result.layers[0].behavior?.reason, 'Running was switched off.');
});
