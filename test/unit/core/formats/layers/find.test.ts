import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CheckpointModule, Setting } from '../../../../../src/core/formats/checkpoint.js';
import { findLayers } from '../../../../../src/core/formats/layers/find.js';
import { memoryStorage } from '../../../../../src/core/formats/storage.js';
import type { CheckpointTensor } from '../../../../../src/core/formats/tensor.js';

const STORAGE = memoryStorage(new Uint8Array(0));

function tensor(name: string, ...dims: readonly number[]): CheckpointTensor {
	return { name, dtype: 'float32', dims, storage: STORAGE, byteOffset: 0 };
}

function layer(name: string, channels: number): readonly CheckpointTensor[] {
	return ['weight', 'bias', 'running_mean', 'running_var'].map((leaf) => tensor(`${name}.${leaf}`, channels));
}

function module(name: string, className: string, settings: Readonly<Record<string, Setting>> = {}): CheckpointModule {
	return { name, className, settings: new Map(Object.entries(settings)) };
}

interface Options {
	readonly modules?: readonly CheckpointModule[];
	readonly order?: 'definition' | 'names';
}

function find(tensors: readonly CheckpointTensor[], { modules = [], order = 'definition' }: Options = {}) {
	return findLayers({ tensors, unreadable: [], modules, order });
}

function fronts(tensors: readonly CheckpointTensor[], options?: Options): readonly unknown[] {
	return find(tensors, options).layers.map(({ front }) =>
		front.map(({ weight, outputAxis, groups }) => `${weight.name} ${outputAxis}${groups ? ` x${groups}` : ''}`),
	);
}

test('a layer without an affine part, and one with the names of Keras, are found', () => {
	const { layers } = find([
		tensor('a.running_mean', 4),
		tensor('a.running_var', 4),
		tensor('a.num_batches_tracked'),
		...['gamma', 'beta', 'moving_mean', 'moving_variance'].map((leaf) => tensor(`b.${leaf}`, 3)),
	]);
	assert.deepEqual(
		layers.map(({ name, channels, gamma, batchesTracked }) => [name, channels, gamma?.name, batchesTracked?.name]),
		[
			['a', 4, undefined, 'a.num_batches_tracked'],
			['b', 3, 'b.gamma', undefined],
		],
	);
});

test('a layer with shapes that disagree is left out and named', () => {
	const { layers, notes } = find([tensor('a.running_mean', 4), tensor('a.running_var', 5)]);
	assert.deepEqual(layers, []);
	assert.match(
		notes[0] ?? '',
		/"a" was left out, because "a.running_var" has shape \[5\] beside a mean of shape \[4\]\./,
	);
});

test('of many modules that are left out the first are named', () => {
	const tensors = Array.from({ length: 9 }, (_, index) => [
		tensor(`${index}.running_mean`, 4),
		tensor(`${index}.running_var`, 5),
	]).flat();
	const { notes } = find(tensors);
	assert.equal(notes.length, 6);
	assert.equal(notes.at(-1), '4 more modules were left out.');
});

test('the nearest earlier weight with fitting channels comes first', () => {
	const tensors = [
		tensor('0.weight', 8, 3, 3, 3),
		tensor('1.weight', 16, 8, 3, 3),
		tensor('2.weight', 8, 16, 1, 1),
		...layer('3', 8),
	];
	assert.deepEqual(fronts(tensors)[0], ['2.weight 0', '1.weight 1 x1', '0.weight 0']);
});

test('a transposed convolution fits by its second axis times the groups', () => {
	assert.deepEqual(fronts([tensor('0.weight', 16, 4, 3, 3), ...layer('1', 8)]), [['0.weight 1 x2']]);
	const modules = [module('0', 'ConvTranspose2d', { groups: 2 }), module('1', 'BatchNorm2d', { eps: 1e-3 })];
	const square = [tensor('0.weight', 8, 4, 3, 3), ...layer('1', 8)];
	assert.deepEqual(fronts(square), [['0.weight 0', '0.weight 1 x2']]);
	assert.deepEqual(fronts(square, { modules }), [['0.weight 1 x2']]);
	assert.equal(find(square, { modules }).layers[0]?.epsilon, 1e-3);
});

test('weights of embeddings and other classes are no operators', () => {
	const tensors = [tensor('0.weight', 8, 3), tensor('1.weight', 8, 4), ...layer('2', 8)];
	const modules = [module('0', 'Linear'), module('1', 'Embedding'), module('2', 'BatchNorm1d')];
	assert.deepEqual(fronts(tensors, { modules }), [['0.weight 0']]);
});

test('sorted names pair a layer with the convolution of the same number, earlier or later', () => {
	const tensors = [
		...layer('bn1', 8),
		tensor('conv1.weight', 8, 3, 7, 7),
		...layer('layer.0.bn1', 8),
		...layer('layer.0.bn2', 8),
		tensor('layer.0.conv1.weight', 8, 8, 3, 3),
		tensor('layer.0.conv2.weight', 8, 8, 3, 3),
	];
	const first = fronts(tensors, { order: 'names' }).map((candidates) => (candidates as string[])[0]);
	assert.deepEqual(first, ['conv1.weight 0', 'layer.0.conv1.weight 0', 'layer.0.conv2.weight 0']);
});

test('layers without statistics are named, by class or by name alone', () => {
	const weights = [tensor('a.weight', 4), tensor('a.bias', 4)];
	const known = find(weights, { modules: [module('a', 'BatchNorm2d'), module('b', 'LayerNorm')] });
	assert.deepEqual(known.withoutStatistics, [{ name: 'a', certain: true }]);
	const likely = find([tensor('block.bn1.weight', 4), tensor('block.ln.weight', 4)]);
	assert.deepEqual(likely.withoutStatistics, [{ name: 'block.bn1', certain: false }]);
});

test('an InstanceNorm with statistics is no batch normalization', () => {
	const { layers, notes } = find(layer('a', 4), { modules: [module('a', 'InstanceNorm2d')] });
	assert.deepEqual(layers, []);
	assert.match(notes[0] ?? '', /InstanceNorm2d/);
});

test('20,000 layers are found in a time that is linear in their number', () => {
	const tensors = Array.from({ length: 20_000 }, (_, index) => [
		tensor(`${2 * index}.weight`, 8, 8, 3, 3),
		...layer(`${2 * index + 1}`, 8),
	]).flat();
	const start = process.cpuUsage();
	assert.equal(find(tensors).layers.length, 20_000);
	// Processor time, because other processes may use the machine as well.
	assert.ok(process.cpuUsage(start).user < 5e6);
});
