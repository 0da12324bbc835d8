import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseComparisonMessage } from '../../../../src/host/comparison/comparison-message.js';

test('requests to compare and to repair are parsed, and every other value is refused', () => {
	assert.deepEqual(parseComparisonMessage({ type: 'repair', path: '/etc' }), { type: 'repair' });
	for (const order of ['same', 'swapped']) {
		assert.deepEqual(parseComparisonMessage({ type: 'compare', order, extra: 1 }), { type: 'compare', order });
	}
	for (const message of [
		undefined,
		null,
		'compare',
		{ type: 'compare' },
		{ type: 'compare', order: '../x' },
		{ type: 'run', order: 'same' },
		{ type: 'run', input: 'random' },
	]) {
		assert.equal(parseComparisonMessage(message), undefined);
	}
});
