import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isChoiceOpen, otherDefaultEditors, withAssociation } from '../../../../src/host/model/other-editors.js';

const OWN = 'batchnorm-lens.batchnorm-lens';
const editor = (filenamePattern: string, priority?: string) => ({
	displayName: 'Other Viewer',
	contributes: { customEditors: [{ viewType: 'other', selector: [{ filenamePattern }], priority }] },
});

test('extensions with a default editor for models are named, ours and optional editors are not', () => {
	const found = (packageJSON: unknown, id = 'other.viewer') => otherDefaultEditors([{ id, packageJSON }], OWN);
	for (const pattern of ['*.onnx', '*.ONNX', '**/*.onnx', '*.{pb,onnx}', '*.{onnx}', '*.{onnx,tflite}']) {
		assert.deepEqual(found(editor(pattern)), ['Other Viewer'], pattern);
	}
	for (const pattern of ['*.onnx.json', '*.onnxx', '*.pb', 'onnx', '*.{pb,onnxx}', '']) {
		assert.deepEqual(found(editor(pattern)), [], pattern);
	}
	assert.deepEqual(found(editor('*.onnx', 'option')), []);
	assert.deepEqual(found(editor('*.onnx', 'default'), 'BatchNorm-Lens.batchnorm-lens'), []);
	assert.deepEqual(found({ ...editor('*.onnx'), displayName: 7 }), ['other.viewer']);
	for (const manifest of [
		undefined,
		null,
		'text',
		{},
		{ contributes: { customEditors: 'x' } },
		{ contributes: { customEditors: [null, { selector: [{}] }] } },
	]) {
		assert.deepEqual(found(manifest), []);
	}
});

test('the question comes once, and not to a user who has chosen; the answer keeps other entries', () => {
	const open = (setting: unknown, isOffered = false, others = ['Other Viewer']) =>
		isChoiceOpen({ others, isOffered, setting });
	assert.deepEqual([open(undefined), open({ '*.md': 'other' })], [true, true]);
	assert.deepEqual([open({ '*.onnx': 'default' }), open({}, true), open({}, false, [])], [false, false, false]);
	assert.deepEqual(withAssociation({ '*.md': 'other' }, 'ours'), { '*.md': 'other', '*.onnx': 'ours' });
	assert.deepEqual(withAssociation([], 'ours'), { '*.onnx': 'ours' });
});
