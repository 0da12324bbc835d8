import assert from 'node:assert/strict';
import { test } from 'node:test';
import { baseName, escapeMarkup, shorten, shortLayerName, visible } from '../../../../src/core/text/names.js';

test('escapes every character that acts on a terminal, or hides or reorders text', () => {
	const hostile = 'a\u001b[2Jb\nc\rd\u202ee\u0007\u009b31m\u200b\ud800';
	assert.equal(visible(hostile), 'a\\u001b[2Jb\\u000ac\\u000dd\\u202ee\\u0007\\u009b31m\\u200b\\ud800');
	assert.equal(visible('Größe/層_1.weight'), 'Größe/層_1.weight');
});

test('shortens the middle of a name and keeps more of its end', () => {
	assert.equal(shorten('abcdefghij', 10), 'abcdefghij');
	assert.equal(shorten('abcdefghijk', 7), 'ab…hijk');
	assert.equal(shorten('features.0.conv.weight', 12), 'feat….weight');
	assert.equal(shorten('features.0.conv.weight', 12).length, 12);
});

test('drops the operator type behind a layer name, but never the whole name', () => {
	assert.equal(shortLayerName('/features/1/BatchNormalization'), '/features/1');
	assert.equal(shortLayerName('BatchNormalization'), 'BatchNormalization');
	assert.equal(shortLayerName('/BatchNormalization'), '/BatchNormalization');
});

test('finds the file name in a path of either platform', () =>
	assert.deepEqual(['/a/b.onnx', 'C:\\models\\b.onnx', 'b.onnx', 'dir/'].map(baseName), [
		'b.onnx',
		'b.onnx',
		'b.onnx',
		'dir/',
	]));

test('escapes markup', () => assert.equal(escapeMarkup(`<a b="c">&'`), '&lt;a b=&quot;c&quot;&gt;&amp;&#39;'));
