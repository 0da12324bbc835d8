import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { isBelow } from '../../../src/platform/root-folder.js';

test('Windows: another case is the same folder, another drive and a neighbor are outside', () => {
	const below = (file: string) => isBelow('C:\\models', file, path.win32);
	assert.ok(below('C:\\models\\net.onnx'));
	assert.ok(below('c:\\MODELS\\deep\\Net.ONNX'));
	assert.ok(below('C:/models/net.onnx'));
	for (const file of [
		'C:\\models',
		'C:\\models2\\net.onnx',
		'D:\\models\\net.onnx',
		'C:\\models\\..\\secret.onnx',
		'\\\\server\\share\\net.onnx',
	]) {
		assert.ok(!below(file), file);
	}
});

test('elsewhere the case counts', () => {
	const below = (file: string) => isBelow('/models', file, path.posix);
	assert.ok(below('/models/..net.onnx'));
	for (const file of ['/models', '/Models/net.onnx', '/models2/net.onnx', '/models/../secret.onnx', '/']) {
		assert.ok(!below(file), file);
	}
});
