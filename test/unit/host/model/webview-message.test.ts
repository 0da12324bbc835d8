import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { imageFileName, parseWebviewMessage } from '../../../../src/host/model/webview-message.js';

const png = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0);
const svg = '<svg xmlns="http://www.w3.org/2000/svg"><text>bn1</text></svg>';

test('every message of the protocol is understood, without what does not belong to it', () => {
	const messages = [
		{ type: 'ready' },
		{ type: 'cancel' },
		{ type: 'show-log' },
		{ type: 'run' },
		{ type: 'run', choices: {} },
		{ type: 'run', choices: { batch: 2, dimensions: [{ name: 'height', size: 32 }], seed: 7, random: 'uniform' } },
		{ type: 'run', choices: { normalize: 'imagenet', memoryBudget: 2 ** 28 } },
		{ type: 'run', choices: { normalize: { mean: [0.5], deviation: [0.2, 0.2, 0.2] } } },
		{ type: 'choose-files', input: 'x', from: 'folder' },
		{ type: 'manage-trust' },
		{ type: 'compare' },
		{ type: 'layer-chosen', index: 3 },
		{ type: 'layer-chosen', index: null },
		{ type: 'save-image', name: 'bn1', png, svg },
		{ type: 'error', message: 'x is undefined' },
		{ type: 'mark', name: 'table', milliseconds: 12.5 },
	];
	for (const message of messages) {
		assert.deepEqual(parseWebviewMessage({ ...message, extra: 1 }), message);
	}
});

test('what is not in the protocol is refused', () => {
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
		{ type: 'error', message: 'x'.repeat(2001) },
		{ type: 'save-image', name: 'bn1', png: [...png], svg },
		{ type: 'save-image', name: 'bn1', png: new TextEncoder().encode('#!/bin/sh'), svg },
		{ type: 'save-image', name: 'bn1', png },
		...[
			'',
			'#!/bin/sh',
			'<svg><script>1</script></svg>',
			'<svg><g onclick="1"/></svg>',
			'<svg><a href="javascript:1"/></svg>',
		].map((text) => ({ type: 'save-image', name: 'bn1', png, svg: text })),
		{ type: 'save-image', name: 7, png, svg },
		{ type: 'mark', name: 'other', milliseconds: 1 },
		{ type: 'mark', name: 'table', milliseconds: Number.NaN },
		{ type: 'mark', name: 'table', milliseconds: '1' },
	];
	for (const message of messages) {
		assert.equal(parseWebviewMessage(message), undefined);
	}
});

test('whatever arrives, parsing does not throw', () => {
	fc.assert(fc.property(fc.anything(), (value) => void parseWebviewMessage(value)));
});

test('a file name keeps what is readable and nothing that leads elsewhere', () => {
	assert.equal(imageFileName('layer1.0/bn1 – gamma.png'), 'layer1.0-bn1-gamma.png');
	assert.equal(imageFileName('../../.bashrc'), 'bashrc.png');
	assert.equal(imageFileName('规范化'), '规范化.png');
	assert.equal(imageFileName('///'), 'plot.png');
	fc.assert(fc.property(fc.string({ unit: 'binary' }), (name) => /^[^./\\:-][^/\\:]*\.png$/.test(imageFileName(name))));
});
