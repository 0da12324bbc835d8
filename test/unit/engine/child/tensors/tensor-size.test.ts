import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesOf, isKernelType, resolveSize } from '../../../../../src/engine/child/tensors/tensor-size.js';

test('symbols of a declared size are resolved; an unknown or negative size has no result', () => {
	const symbols = new Map([['N', 2]]);
	const size = (shape?: readonly (number | string)[]) =>
		resolveSize({ name: 'x', type: 'float32', shape }, symbols)?.dims;
	assert.deepEqual(size(['N', 3, 8]), [2, 3, 8]);
	assert.deepEqual(size([]), []);
	assert.equal(size(['batch', 3]), undefined);
	assert.equal(size([-1, 3]), undefined);
	assert.equal(size(), undefined);
});

test('bytes follow from type and shape', () => {
	const bytes = (type: string) => bytesOf({ type, dims: [2, 3] });
	assert.deepEqual(['float32', 'float64', 'float16', 'bfloat16', 'int64'].map(bytes), [24, 48, 12, 12, 48]);
});

test('the runtime writes floats except bfloat16 into kernel memory', () => {
	const types = ['float32', 'float64', 'float16', 'bfloat16', 'int32'];
	assert.deepEqual(types.filter(isKernelType), ['float32', 'float64', 'float16']);
});
