import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { readModel } from '../../../src/core/onnx/read/reader.js';
import { readTensor } from '../../../src/core/onnx/tensor/tensor.js';
import { externalFiles } from '../../../src/platform/external-files.js';
import { openFile } from '../../../src/platform/file-source.js';
import { rawElements } from '../support/elements.js';
import { buildModel } from '../support/model-builder.js';

let outside: string;
let folder: string;

before(async () => {
	outside = await mkdtemp(path.join(tmpdir(), 'files-'));
	folder = path.join(outside, 'model');
	await mkdir(path.join(folder, 'weights'), { recursive: true });
	await writeFile(path.join(outside, 'secret'), 'do not read');
	await writeFile(path.join(folder, 'weights', 'w.bin'), rawElements('float32', [1, 2, 3]));
});

after(async () => {
	await rm(outside, { recursive: true });
});

const inFolder = (name: string): string => path.join(folder, name);
const unlessWindows = { skip: process.platform === 'win32' };

test('a model and its external data are read from disk', async () => {
	const initializers = [{ name: 'w', dims: [2], external: { location: 'weights/w.bin', offset: 4, length: 8 } }];
	await writeFile(inFolder('model.onnx'), buildModel({ graph: { initializers } }));
	const source = await openFile(inFolder('model.onnx'));
	const record = (await readModel(source)).graph.initializers.get('w');
	assert.ok(record);
	const tensor = await readTensor(record, { source, external: externalFiles(folder) });
	assert.deepEqual(Array.from(tensor.data), [2, 3]);
	await source.close();
});

test('reads that overlap in time do not disturb each other', async () => {
	await writeFile(
		inFolder('bytes'),
		Uint8Array.from({ length: 100 }, (_, index) => index),
	);
	const source = await openFile(inFolder('bytes'));
	const reads = await Promise.all(Array.from({ length: 90 }, (_, offset) => source.read(offset, 10)));
	assert.deepEqual(
		reads.map(([first]) => first),
		Array.from({ length: 90 }, (_, offset) => offset),
	);
	const together = new Uint8Array(90);
	await Promise.all([0, 30, 60].map((at) => source.readInto?.(together.subarray(at, at + 30), 10 + at)));
	assert.deepEqual(
		together,
		Uint8Array.from({ length: 90 }, (_, index) => 10 + index),
	);
	await source.close();
});

test('a file that shrinks or ends early gives an error that says so', async () => {
	await writeFile(inFolder('shrinking'), new Uint8Array(1000));
	const source = await openFile(inFolder('shrinking'));
	await truncate(inFolder('shrinking'), 600);
	assert.equal((await source.read(0, 600)).length, 600);
	const shorter = { code: 'io', message: /became shorter .* ends at byte 600/ };
	await assert.rejects(source.read(500, 200), shorter);
	await assert.rejects(async () => source.readInto?.(new Uint8Array(200), 500), shorter);
	await source.close();
});

test('an unreadable file is refused with the reason', async () => {
	await assert.rejects(openFile(inFolder('absent.onnx')), {
		code: 'io',
		message: /absent\.onnx cannot be opened: it does not exist/,
	});
	await assert.rejects(openFile(folder), { code: 'io', message: /is a folder: choose the \.onnx file in it/ });
	await assert.rejects(openFile(inFolder('model.onnx/x')), { code: 'io', message: /not a folder|does not exist/ });
});

test('a pipe is refused without waiting for a writer', unlessWindows, async () => {
	execFileSync('mkfifo', [inFolder('pipe')]);
	await assert.rejects(openFile(inFolder('pipe')), { code: 'io', message: /device or pipe/ });
	await assert.rejects(externalFiles(folder).open('pipe'), {
		code: 'external-data',
		message: /"pipe" is refused: it is not a regular file/,
	});
});

test('external data stays inside the folder of the model', unlessWindows, async () => {
	await symlink('../secret', inFolder('link'));
	await symlink('weights/w.bin', inFolder('inner'));
	await symlink('/dev/zero', inFolder('device'));
	const files = externalFiles(folder);
	for (const location of ['link', 'device']) {
		await assert.rejects(files.open(location), {
			code: 'external-data',
			message: /link that leads out of the model's folder/,
		});
	}
	await assert.rejects(files.open('../secret'), { code: 'external-data', message: /leads out/ });
	await assert.rejects(files.open(path.join(outside, 'secret')), { code: 'external-data', message: /not relative/ });
	await assert.rejects(files.open('weights'), { code: 'external-data', message: /not a regular file/ });
	await assert.rejects(files.open('.'), { code: 'external-data' });
	await assert.rejects(files.open('missing.bin'), {
		code: 'external-data',
		message: /"missing\.bin" cannot be opened: it does not exist/,
	});
	assert.equal((await files.open('inner')).size, 12, 'a link inside the folder is fine');
	assert.equal((await files.open('./weights/w.bin')).size, 12);
});

test('a folder that is itself a link may hold a model', unlessWindows, async () => {
	await symlink(folder, path.join(outside, 'alias'));
	const file = await externalFiles(path.join(outside, 'alias')).open('weights/w.bin');
	assert.deepEqual(await file.read(8, 4), Buffer.from(rawElements('float32', [3])));
});
