import assert from 'node:assert/strict';
import { test } from 'node:test';
import { affine } from '../../../../src/core/batchnorm/affine.js';

test('scale and shift by hand', () => {
	const { scale, shift } = affine([3, -1], [1, 0.5], [10, 4], [3.75, 0.21], 0.25);
	assert.deepEqual([...scale], [1.5, -1 / Math.sqrt(0.46)]);
	assert.deepEqual([...shift], [1 - 15, 0.5 + 4 / Math.sqrt(0.46)]);
});

test('impossible variances carry through as the runtime would compute them', () => {
	const { scale, shift } = affine([1, 1, 0], [0, 0, 0], [0, 2, 2], [-1, 0, 0], 0);
	assert.deepEqual([...scale], [Number.NaN, Number.POSITIVE_INFINITY, Number.NaN]);
	assert.equal(shift[1], Number.NEGATIVE_INFINITY);
});

test('lengths that differ are refused', () => {
	assert.throws(() => affine([1, 2], [0], [0, 0], [1, 1], 1e-5), /one length, not 2, 1, 2, 2/);
});
