import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cellsOf } from '../../../../../src/core/onnx/graph/quantization.js';

test('cells follow the axis, or blocks along it', () => {
	const cells = (scaleDims: readonly number[], axis: number, blockSize = 0) => {
		const cellOf = cellsOf([2, 4], scaleDims, { axis, blockSize });
		return cellOf && Array.from({ length: 8 }, (_, index) => cellOf(index));
	};
	assert.deepEqual(cells([], 1), [0, 0, 0, 0, 0, 0, 0, 0]);
	assert.deepEqual(cells([2], 0), [0, 0, 0, 0, 1, 1, 1, 1]);
	assert.deepEqual(cells([4], -1), [0, 1, 2, 3, 0, 1, 2, 3]);
	assert.deepEqual(cells([2, 2], 1, 2), [0, 0, 1, 1, 2, 2, 3, 3]);
	assert.equal(cells([3], 1), undefined);
});
