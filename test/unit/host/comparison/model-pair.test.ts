import assert from 'node:assert/strict';
import { test } from 'node:test';
import { storedPair } from '../../../../src/host/comparison/model-pair.js';

test('a page of the last window names its models', () => {
	const pair = { original: 'file:///a.onnx', deployed: 'file:///b.onnx' };
	assert.deepEqual(storedPair({ layer: 'bn', pair }), pair);
});

test('a state without two models is refused', () => {
	const states = [undefined, null, 'pair', {}, { pair: null }, { pair: { original: 'a' } }];
	for (const state of [...states, { pair: { original: 1, deployed: 'b' } }]) {
		assert.equal(storedPair(state), undefined);
	}
});
