import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { classifyNotebookPath, parseNotebookMessage } from '../../../../src/host/notebook/notebook-message.js';

test('a request is understood, any other message refused', () => {
	const request = { type: 'inspect', id: '1', path: 'm.onnx' };
	assert.deepEqual(parseNotebookMessage({ ...request, extra: 1 }), request);
	for (const broken of [{ type: 'run' }, { id: 1 }, { path: '' }, { path: 'x'.repeat(5000) }, { path: undefined }]) {
		assert.equal(parseNotebookMessage({ ...request, ...broken }), undefined);
	}
	fc.assert(fc.property(fc.anything(), (value) => void parseNotebookMessage(value)));
});

test('paths of both platforms are recognized', () => {
	assert.deepEqual(classifyNotebookPath('models/m.onnx'), { kind: 'relative', path: 'models/m.onnx' });
	assert.deepEqual(classifyNotebookPath('..\\m.ONNX'), { kind: 'relative', path: '../m.ONNX' });
	assert.deepEqual(classifyNotebookPath('/data/m.onnx'), { kind: 'absolute', path: '/data/m.onnx' });
	assert.deepEqual(classifyNotebookPath('C:\\data\\m.onnx'), { kind: 'absolute', path: 'C:\\data\\m.onnx' });
});

test('network paths and files that are no models are refused', () => {
	for (const path of [
		'\\\\server\\share\\m.onnx',
		'//server/share/m.onnx',
		'\\/server/m.onnx',
		'/etc/passwd',
		'm.onnx/..',
	]) {
		assert.equal(classifyNotebookPath(path).kind, 'refused');
	}
});
