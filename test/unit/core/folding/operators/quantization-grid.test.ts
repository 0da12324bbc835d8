import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alongAxis } from '../../../../../src/core/folding/operators/layout.js';
import { withoutEmptySteps } from '../../../../../src/core/folding/operators/quantization-grid.js';

const EMPTY = 2 ** -23;

test('a row of zeros keeps its stated step only if another row determines it', () => {
	const layout = alongAxis([4, 2], 0);
	const limited = (values: readonly number[], steps: readonly number[]) => [
		...withoutEmptySteps(Float64Array.from(steps), { values, layout }),
	];
	const values = [0, 0, 3, 0, 0, 0, 0, 5];
	// Quantizers state any scale for a row of zeros.
	assert.deepEqual(limited(values, [1, 0.5, 1, 0.25]), [EMPTY, 0.5, EMPTY, 0.25]);
	// Rows of different groups share a scale.
	assert.deepEqual(limited(values, [0.5, 0.5, 0.25, 0.25]), [0.5, 0.5, 0.25, 0.25]);
	assert.deepEqual(limited(Array(8).fill(0), [1, 1, 1, 1]), [EMPTY, EMPTY, EMPTY, EMPTY]);
});
