import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findLayers } from '../../../../src/core/batchnorm/find.js';
import { unusedLayers } from '../../../../src/core/batchnorm/unused.js';
import { Scope } from '../../../../src/core/onnx/graph/scope.js';
import { readModel } from '../../../../src/core/onnx/read/reader.js';
import { memorySource } from '../../../../src/core/onnx/source.js';
import { buildModel } from '../../support/model-builder.js';

const COUNT = 400;

/** Layers in a row, none with an output. */
async function chain() {
	const parameters = ['g', 'b', 'm', 'v'];
	const bytes = buildModel({
		graph: {
			inputs: [{ name: 'y0', shape: [1, 1] }],
			outputs: ['y0'],
			initializers: parameters.map((name) => ({ name, values: [1] })),
			nodes: Array.from({ length: COUNT }, (_, index) => ({
				op: 'BatchNormalization',
				inputs: [`y${index}`, ...parameters],
				outputs: [`y${index + 1}`],
			})),
		},
	});
	const source = memorySource(bytes, 'chain.onnx');
	return findLayers(await readModel(source), { source });
}

test('the search for unused layers passes each node once, in a chain of any length', async (t) => {
	const layers = await chain();
	const consumers = t.mock.method(Scope.prototype, 'consumers');
	assert.equal(unusedLayers(layers).size, COUNT);
	assert.ok(consumers.mock.callCount() <= COUNT, `${consumers.mock.callCount()} look-ups`);
});

test('layers side by side in front of a long row of operators are used, and found so in one pass', async (t) => {
	const parameters = ['g', 'b', 'm', 'v'];
	const indices = Array.from({ length: COUNT }, (_, index) => index);
	const bytes = buildModel({
		graph: {
			inputs: [{ name: 'x', shape: [1, 1] }],
			outputs: [`z${COUNT}`],
			initializers: parameters.map((name) => ({ name, values: [1] })),
			nodes: [
				...indices.map((index) => ({ op: 'BatchNormalization', inputs: ['x', ...parameters], outputs: [`y${index}`] })),
				{ op: 'Sum', inputs: indices.map((index) => `y${index}`), outputs: ['z0'] },
				...indices.map((index) => ({ op: 'Relu', inputs: [`z${index}`], outputs: [`z${index + 1}`] })),
			],
		},
	});
	const source = memorySource(bytes, 'wide.onnx');
	const layers = await findLayers(await readModel(source), { source });
	const consumers = t.mock.method(Scope.prototype, 'consumers');
	assert.equal(unusedLayers(layers).size, 0);
	assert.ok(consumers.mock.callCount() <= 2 * COUNT + 1, `${consumers.mock.callCount()} look-ups`);
});

test('a claimed number of channels that no file can hold counts as unknown', async () => {
	const claim = [2 ** 31 - 1, 2 ** 31 - 1, 2 ** 31 - 1];
	const bytes = buildModel({
		graph: {
			inputs: ['x'],
			outputs: ['y'],
			initializers: [{ name: 'p', dims: claim, raw: new Uint8Array(0) }],
			nodes: [{ op: 'BatchNormalization', inputs: ['x', 'p', 'p', 'p', 'p'], outputs: ['y'] }],
		},
	});
	const source = memorySource(bytes, 'claim.onnx');
	const [layer] = await findLayers(await readModel(source), { source });
	assert.equal(layer.channels, 0);
});
