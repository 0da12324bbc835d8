import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { findModels, wildcardRule } from '../../../src/platform/find-models.js';

let folder: string;
before(async () => {
	folder = await mkdtemp(path.join(tmpdir(), 'bnl-find-'));
	for (const name of [
		'a.onnx',
		'B.ONNX',
		'c.pt',
		'deep/d.onnx',
		'deep/er/e.onnx',
		'.git/f.onnx',
		'node_modules/g.onnx',
	]) {
		await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
		await writeFile(path.join(folder, name), '');
	}
	await mkdir(path.join(folder, 'empty'));
	// A link to a folder above would never end.
	await symlink(folder, path.join(folder, 'deep', 'loop')).catch(() => {});
});
after(() => rm(folder, { recursive: true }));

async function find(pattern: string): Promise<readonly string[] | string> {
	const found = await findModels(pattern, folder);
	return found.ok ? found.value.map((file) => path.relative(folder, file).split(path.sep).join('/')) : found.reason;
}

test('a file, a folder with its folders, and patterns', async () => {
	assert.deepEqual(await find('c.pt'), ['c.pt']);
	assert.deepEqual(await find('.'), ['B.ONNX', 'a.onnx', 'deep/d.onnx', 'deep/er/e.onnx']);
	assert.deepEqual(await find('deep'), ['deep/d.onnx', 'deep/er/e.onnx']);
	assert.deepEqual(await find('*.onnx'), path.sep === '\\' ? ['B.ONNX', 'a.onnx'] : ['a.onnx']);
	assert.deepEqual(await find('**/*.onnx'), ['a.onnx', 'deep/d.onnx', 'deep/er/e.onnx']);
	assert.deepEqual(await find('deep/*/?.onnx'), ['deep/er/e.onnx']);
	assert.deepEqual(await find(path.join(folder, 'de*', 'd.onnx')), ['deep/d.onnx']);
});

test('a path that names no file gives a sentence', async () => {
	assert.equal(await find('x.onnx'), 'x.onnx cannot be read: it does not exist.');
	assert.equal(await find('*.tflite'), 'No file matches *.tflite.');
	assert.equal(await find('nowhere/**'), 'No file matches nowhere/**.');
	assert.equal(await find('empty'), 'No .onnx file is below empty.');
});

test('Windows compares names without their case, other systems with it', () => {
	assert.ok(wildcardRule(['models', '*.onnx'], path.win32).test('Models/Net.ONNX'));
	assert.ok(!wildcardRule(['models', '*.onnx'], path.posix).test('models/Net.ONNX'));
});

test('characters of expressions are names', () => {
	const matches = (pattern: string, name: string) => wildcardRule(pattern.split('/'), path.posix).test(name);
	assert.ok(matches('a+(b)[c].{d}^$|\\*', 'a+(b)[c].{d}^$|\\e'));
	assert.ok(!matches('a.onnx', 'aXonnx'));
	assert.ok(!matches('*.onnx', 'deep/a.onnx'));
	assert.ok(matches('**/a*', 'a1'));
	assert.ok(matches('deep/**', 'deep/x/y'));
});
