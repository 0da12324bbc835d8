import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHtmlTable } from '../../../../../src/core/report/export/html-table.js';
import { toMarkdown } from '../../../../../src/core/report/export/markdown.js';
import { portable, withoutFolders } from '../../../../../src/core/report/export/portable.js';
import { sampleReport, sampleRun } from '../../../support/sample-report.js';

test('paths in a sentence keep their last segment', () => {
	for (const [before, after] of [
		['/home/ada/data/cat.npy', 'cat.npy'],
		[
			'12 files of /home/ada/my photos: a.png (224 x 224 resized to 96 x 96, imagenet) … z.png',
			'12 files of my photos: a.png (224 x 224 resized to 96 x 96, imagenet) … z.png',
		],
		['C:\\Users\\ada\\cat.npy', 'cat.npy'],
		['random normal, seed 0', 'random normal, seed 0'],
		['input/output ratio 1/2', 'input/output ratio 1/2'],
	] as const) {
		assert.equal(withoutFolders(before), after);
	}
});

test('exports that people pass on name no folder of this machine', () => {
	const report = sampleReport({
		run: {
			...sampleRun('ok'),
			inputs: [{ name: 'x', shape: [1], dtype: 'float32', from: '/home/ada/secret/cat.npy' }],
		} as never,
	});
	const moved = { ...report, model: { ...report.model, path: '/home/ada/secret/net.onnx' } };
	assert.equal(portable(moved).model.path, 'net.onnx');
	for (const text of [toMarkdown(moved), toHtmlTable(moved), JSON.stringify(portable(moved))]) {
		assert.doesNotMatch(text, /ada|secret/);
	}
});
