/** No command replaces a file that it reads, and none damages an existing report. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
	copyFileSync,
	linkSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { encodeNpy } from '../../../src/engine/child/tensors/npy.js';
import { rawElements } from '../support/elements.js';
import { smallModel } from '../support/small-model.js';

const cli = path.resolve('dist', 'cli.js');
let folder: string;
before(() => {
	folder = mkdtempSync(path.join(tmpdir(), 'bnl-inputs-'));
	writeFileSync(path.join(folder, 'a.onnx'), smallModel('bn', { location: 'a.data', offset: 0, length: 8 }));
	writeFileSync(path.join(folder, 'a.data'), rawElements('float32', [1, 2]));
	mkdirSync(path.join(folder, 'images'));
	const data = Float32Array.from({ length: 192 }, (_, index) => Math.sin(index));
	for (const name of ['0.npy', '1.npy']) {
		writeFileSync(path.join(folder, 'images', name), encodeNpy({ type: 'float32', shape: [1, 3, 8, 8], data }));
	}
	copyFileSync(path.join(folder, 'images', '0.npy'), path.join(folder, 'x.npy'));
	copyFileSync(path.join(folder, 'a.onnx'), path.join(folder, 'b.onnx'));
	symlinkSync('a.onnx', path.join(folder, 'symbolic.onnx'));
	linkSync(path.join(folder, 'a.data'), path.join(folder, 'hard.data'));
	const { stdout } = run(['inspect', 'a.onnx', '--json']);
	writeFileSync(path.join(folder, 'report.json'), stdout);
	run(['reestimate', 'b.onnx', '--input', 'x.npy', '--statistics-only', '-o', 'statistics.json']);
	linkSync(path.join(folder, 'statistics.json'), path.join(folder, 'hard.json'));
});
after(() => rmSync(folder, { recursive: true }));

function run(args: readonly string[]) {
	return spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: 'utf8', timeout: 60_000 });
}

function contents(): Readonly<Record<string, string>> {
	const names = readdirSync(folder, { recursive: true, withFileTypes: true });
	return Object.fromEntries(
		names
			.filter((entry) => entry.isFile())
			.map(({ parentPath, name }) => path.join(parentPath, name))
			.map((file) => [file, readFileSync(file, 'latin1')]),
	);
}

const REFUSED: readonly (readonly string[])[] = [
	['inspect', 'a.onnx', '-o', 'a.onnx'],
	['inspect', 'a.onnx', '--no-run', '--format', 'csv', '-o', './images/../a.onnx'],
	['inspect', 'a.onnx', '--json', '-o', 'symbolic.onnx'],
	['inspect', 'symbolic.onnx', '--json', '-o', 'a.onnx'],
	['inspect', 'a.onnx', '-o', 'a.data'],
	['inspect', 'a.onnx', '--no-run', '-o', 'hard.data'],
	['inspect', 'a.onnx', '--input', 'x.npy', '-o', 'x.npy'],
	['inspect', 'a.onnx', '--input', 'images', '-o', 'images/1.npy'],
	['inspect', 'a.onnx', '--input', 'images/0.npy', '--save-outputs', 'images'],
	['inspect', 'a.onnx', '--input', 'images', '--batch', '2', '--save-outputs', 'images'],
	['compare', 'a.onnx', 'symbolic.onnx', '--no-run', '-o', 'a.onnx'],
	['compare', 'a.onnx', 'b.onnx', '--no-run', '--format', 'html', '-o', 'hard.data'],
	['merge', 'report.json', '-o', 'report.json'],
	['fold', 'a.onnx', '-o', 'a.onnx'],
	['fold', 'a.onnx', '-o', 'hard.data'],
	['repair', 'a.onnx', '-o', 'a.onnx'],
	['repair', 'a.onnx', '-o', 'hard.data'],
	['reestimate', 'b.onnx', '--statistics', 'statistics.json', '-o', 'statistics.json'],
	['reestimate', 'b.onnx', '--statistics', 'statistics.json', '-o', 'hard.json'],
];

for (const args of REFUSED) {
	test(`${args.join(' ')} is refused, and every file stays`, () => {
		const files = contents();
		const { status, stderr } = run(args);
		assert.equal(status, 2, stderr);
		assert.match(stderr, /^[^\n]*is read by this command[^\n]*: choose another name for the output\.\n$/);
		assert.deepEqual(contents(), files);
	});
}

test('a report that does not fit leaves the old report', { skip: process.platform !== 'linux' }, () => {
	const report = path.join(folder, 'old.html');
	writeFileSync(report, 'the old report');
	const files = contents();
	// A limit on the size of files, in blocks of 1024 bytes, fails like a full disk.
	const limited = ['-c', 'ulimit -f 20; exec "$0" "$@"', process.execPath, cli];
	const { status, stderr } = spawnSync(
		'bash',
		[...limited, 'inspect', 'a.onnx', '--no-run', '--format', 'html', '-o', report],
		{ cwd: folder, encoding: 'utf8' },
	);
	assert.deepEqual([status, contents()], [2, files]);
	assert.match(stderr, /^[^\n]*old\.html cannot be written: it would be larger than the system permits\.\n$/);
});
