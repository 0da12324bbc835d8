import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseModelMessage } from '../../../../src/host/model/model-message.js';

test('every message of the page of a model is parsed, and unknown fields are dropped', () => {
	const messages = [
		{ type: 'run' },
		{ type: 'run', choices: {} },
		{ type: 'run', choices: { batch: 2, dimensions: [{ name: 'height', size: 32 }], seed: 7, random: 'uniform' } },
		{ type: 'run', choices: { normalize: 'imagenet', memoryBudget: 2 ** 28 } },
		{ type: 'run', choices: { normalize: { mean: [0.5], deviation: [0.2, 0.2, 0.2] } } },
		{ type: 'choose-files', input: 'x', from: 'folder' },
		{ type: 'manage-trust' },
		{ type: 'compare' },
		{ type: 'reestimate' },
		{ type: 'inference' },
		{ type: 'layer-chosen', index: 3 },
		{ type: 'layer-chosen', index: null },
	];
	for (const message of messages) {
		assert.deepEqual(parseModelMessage({ ...message, extra: 1 }), message);
	}
});

test('every other value is refused', () => {
	const messages = [
		undefined,
		null,
		'ready',
		[],
		{},
		{ type: 'toString' },
		{ type: 'run', choices: null },
		...[
			...[{ batch: 0 }, { batch: 1.5 }, { batch: '2' }, { batch: 2 ** 40 }, { seed: -1 }, { random: 'cauchy' }],
			...[{ memoryBudget: 0 }, { memoryBudget: Number.POSITIVE_INFINITY }, { normalize: 'other' }],
			...[{ normalize: { mean: [0.5], deviation: [0] } }, { normalize: { mean: [], deviation: [1] } }],
			...[{ normalize: { mean: [Number.NaN], deviation: [1] } }, { normalize: { mean: [0.5] } }],
			...[{ dimensions: { height: 3 } }, { dimensions: [{ name: 'height' }] }, { dimensions: [null] }],
			...[{ dimensions: [{ name: 'height', size: -1 }] }, { dimensions: [{ name: 'x'.repeat(2001), size: 1 }] }],
		].map((choices) => ({ type: 'run', choices })),
		{ type: 'choose-files', input: 'x', from: '/etc/passwd' },
		{ type: 'choose-files', from: 'files' },
		...[-1, 0.5, '3', undefined, Number.NaN].map((index) => ({ type: 'layer-chosen', index })),
	];
	for (const message of messages) {
		assert.equal(parseModelMessage(message), undefined);
	}
});

test('parsing any value does not throw', () => {
	fc.assert(fc.property(fc.anything(), (value) => void parseModelMessage(value)));
});
