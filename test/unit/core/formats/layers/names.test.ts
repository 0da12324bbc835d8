import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commonPrefix, compareNames, nameDistance } from '../../../../../src/core/formats/layers/names.js';

test('names sort as people number modules', () => {
	const sorted = [
		'2.bn',
		'10.bn',
		'layer1.9.bn',
		'layer1.10.bn',
		'layer1.10.bn.weight',
		'layer1.10.bn2',
		'layer2.0.bn',
	];
	assert.deepEqual(sorted.toReversed().sort(compareNames), sorted);
	assert.equal(compareNames('a.007', 'a.7'), 0);
	assert.ok(compareNames(`a.${'9'.repeat(40)}`, `a.1${'0'.repeat(40)}`) < 0);
});

test('only known wrappers that all names begin with are a prefix', () => {
	assert.equal(commonPrefix(['module.model.0.weight', 'module.model.1.bias']), 'module.model.');
	assert.equal(commonPrefix(['module.0.weight', 'extra']), '');
	assert.equal(commonPrefix(['features.0.weight', 'features.1.weight']), '');
	assert.equal(commonPrefix([]), '');
});

test('neighbors by name are the convolution with the same number and the module before', () => {
	assert.equal(nameDistance('layer1.0.conv2', 'layer1.0.bn2'), 0);
	assert.equal(nameDistance('layer1.0.conv1', 'layer1.0.bn2'), 1);
	assert.equal(nameDistance('downsample.0', 'downsample.1'), 0);
	assert.equal(nameDistance('downsample.3', 'downsample.1'), 1);
	assert.equal(nameDistance('layer1.0.conv2', 'layer1.1.bn2'), 2);
});
