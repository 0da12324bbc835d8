import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { imageFileName } from '../../../../src/host/shared/image-file.js';
import { parsePageMessage } from '../../../../src/host/shared/page-message.js';

const png = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0);
const svg = '<svg xmlns="http://www.w3.org/2000/svg"><text>bn1</text></svg>';

test('every message that both pages send is parsed, and unknown fields are dropped', () => {
	const messages = [
		{ type: 'ready' },
		{ type: 'cancel' },
		{ type: 'get-plotly' },
		{ type: 'show-log' },
		{ type: 'save-image', name: 'bn1', png, svg },
		{ type: 'error', message: 'x is undefined' },
		{ type: 'mark', name: 'table', milliseconds: 12.5 },
	];
	for (const message of messages) {
		assert.deepEqual(parsePageMessage({ ...message, extra: 1 }), message);
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
		assert.equal(parsePageMessage(message), undefined);
	}
});

test('parsing any value does not throw', () => {
	fc.assert(fc.property(fc.anything(), (value) => void parsePageMessage(value)));
});

test('an image file name stays readable and cannot leave its folder', () => {
	assert.equal(imageFileName('layer1.0/bn1 – gamma.png'), 'layer1.0-bn1-gamma.png');
	assert.equal(imageFileName('../../.bashrc'), 'bashrc.png');
	assert.equal(imageFileName('规范化'), '规范化.png');
	assert.equal(imageFileName('///'), 'plot.png');
	fc.assert(fc.property(fc.string({ unit: 'binary' }), (name) => /^[^./\\:-][^/\\:]*\.png$/.test(imageFileName(name))));
});
