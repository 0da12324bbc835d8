import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
	chmodSync,
	linkSync,
	lstatSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { identities, replaceFile } from '../../../src/platform/replace-file.js';

const root = mkdtempSync(path.join(tmpdir(), 'bnl-replace-'));
after(() => rmSync(root, { recursive: true }));

let folder: string;
let file: string;
beforeEach(() => {
	folder = mkdtempSync(path.join(root, 'case-'));
	file = path.join(folder, 'report.txt');
});

test('a new file gets the whole content, given at once or in pieces', async () => {
	await replaceFile(file, 'text');
	assert.equal(readFileSync(file, 'utf8'), 'text');
	await replaceFile(file, Uint8Array.of(1, 2));
	assert.deepEqual([...readFileSync(file)], [1, 2]);
	async function* pieces() {
		yield 'first, ';
		yield new TextEncoder().encode('second');
	}
	await replaceFile(file, pieces());
	assert.equal(readFileSync(file, 'utf8'), 'first, second');
	assert.deepEqual(readdirSync(folder), ['report.txt']);
});

test('an existing file keeps its mode, and a link keeps pointing to it', async () => {
	const link = path.join(folder, 'link');
	writeFileSync(file, 'old');
	chmodSync(file, 0o604);
	symlinkSync('report.txt', link);
	await replaceFile(link, 'new');
	assert.deepEqual([readFileSync(file, 'utf8'), statSync(file).mode & 0o777], ['new', 0o604]);
	assert.ok(lstatSync(link).isSymbolicLink());
});

test('content that fails half-way leaves the old file and no other', async () => {
	writeFileSync(file, 'old');
	async function* pieces() {
		yield 'x'.repeat(100_000);
		throw new Error('The second piece cannot be made.');
	}
	await assert.rejects(replaceFile(file, pieces()), /second piece/);
	assert.deepEqual([readdirSync(folder), readFileSync(file, 'utf8')], [['report.txt'], 'old']);
});

test('a folder, and a folder that does not exist, are named', async () => {
	await assert.rejects(replaceFile(folder, 'x'), {
		name: 'WriteError',
		message: /cannot be written: it is a folder\.$/,
	});
	const missing = path.join(folder, 'no', 'report.txt');
	await assert.rejects(replaceFile(missing, 'x'), { name: 'WriteError', message: /the folder .*no does not exist\.$/ });
	assert.deepEqual(readdirSync(folder), []);
});

test('a device is written directly', { skip: process.platform !== 'linux' }, async () => {
	await replaceFile('/dev/null', 'x');
	await assert.rejects(replaceFile('/dev/full', 'x'), { name: 'WriteError', message: /the disk is full\.$/ });
});

test('a name of the longest length that a file system permits can be written', async () => {
	const long = path.join(folder, 'é'.repeat(127));
	await replaceFile(long, 'x');
	assert.equal(readFileSync(long, 'utf8'), 'x');
});

test('an input is never replaced, under any of its names', async () => {
	writeFileSync(file, 'input');
	const inputs = await identities([file, path.join(folder, 'missing')]);
	mkdirSync(path.join(folder, 'sub'));
	symlinkSync(file, path.join(folder, 'symbolic'));
	symlinkSync('.', path.join(folder, 'here'));
	linkSync(file, path.join(folder, 'hard'));
	const names = ['report.txt', 'symbolic', 'hard', 'sub/../report.txt', 'here/report.txt'];
	for (const name of names) {
		await assert.rejects(replaceFile(`${folder}/${name}`, 'x', { inputs }), /is read by this command/, name);
	}
	assert.equal(readFileSync(file, 'utf8'), 'input');
	await replaceFile(path.join(folder, 'missing'), 'x', { inputs });
});

test('on a full disk the old file stays', { skip: process.platform !== 'linux' }, async (context) => {
	const disk = path.join(folder, 'disk');
	mkdirSync(disk);
	if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]).status !== 0) {
		context.skip('mounting a file system is not permitted here');
		return;
	}
	try {
		const report = path.join(disk, 'report.txt');
		await replaceFile(report, 'old');
		await assert.rejects(
			replaceFile(report, 'x'.repeat(100_000)),
			/report\.txt cannot be written: the disk is full\.$/,
		);
		assert.deepEqual([readdirSync(disk), readFileSync(report, 'utf8')], [['report.txt'], 'old']);
	} finally {
		execFileSync('umount', [disk]);
	}
});
