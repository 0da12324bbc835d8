/** The built command line with a baseline file, as CI runs it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { BaselineError, BaselineFile, parseBaselineOptions, relativePath } from '../../../src/cli/baseline.js';
import { relativePaths, shownPath, terminalPath, uriReference, withShortPaths } from '../../../src/cli/output.js';
import { buildModel } from '../support/model-builder.js';

const cli = path.resolve('dist', 'cli.js');

let folder: string;
before(async () => {
	folder = await mkdtemp(path.join(tmpdir(), 'bnl-baseline-'));
	await mkdir(path.join(folder, 'models'));
});
after(() => rm(folder, { recursive: true }));

/** Layers in a row, each with a dead channel. */
function model(names: readonly string[]): Uint8Array {
	const layers = names.map((name, index) => ({
		nodes: {
			op: 'BatchNormalization',
			name,
			inputs: [index === 0 ? 'x' : `${index}`, ...['g', 'b', 'm', 'v'].map((letter) => `${letter}${name}`)],
			outputs: [index === names.length - 1 ? 'y' : `${index + 1}`],
		},
		initializers: Object.entries({ g: [0, 1, 1], b: [0, 0, 1], m: [1, 2, name.length], v: [1, 1, 2] }).map(
			([letter, values]) => ({ name: `${letter}${name}`, values }),
		),
	}));
	return buildModel({
		graph: {
			inputs: [{ name: 'x', shape: [1, 3] }],
			outputs: ['y'],
			nodes: layers.map(({ nodes }) => nodes),
			initializers: layers.flatMap(({ initializers }) => initializers),
		},
	});
}

function inspect(file: string, ...args: string[]) {
	return spawnSync(
		process.execPath,
		[cli, 'inspect', file, '--no-run', '--fail-on', 'warning', '--baseline', 'known.json', ...args],
		{ encoding: 'utf8', cwd: folder, timeout: 60_000 },
	);
}

test('a baseline of several models: known findings pass, also with renamed layers and moved files, and new findings fail', async () => {
	const file = path.join(folder, 'models', 'net.onnx');
	await writeFile(file, model(['a', 'bb']));
	await copyFile(file, path.join(folder, 'models', 'other.onnx'));
	const missing = inspect('models/net.onnx');
	assert.deepEqual([missing.status, missing.stdout], [2, '']);
	assert.match(missing.stderr, /^The baseline [^\n]*known\.json does not exist: write it with --update-baseline\.\n$/);
	for (const name of ['models/other.onnx', 'models/net.onnx']) {
		assert.equal(inspect(name, '--update-baseline').status, 0);
	}
	const { entries } = JSON.parse(await readFile(path.join(folder, 'known.json'), 'utf8'));
	assert.deepEqual(
		entries.map((entry: { model: string; findings: unknown[] }) => [entry.model, entry.findings.length]),
		[
			['models/net.onnx', 2],
			['models/other.onnx', 2],
		],
	);
	await writeFile(file, model(['x', 'yy']));
	await rename(file, path.join(folder, 'models', 'moved.onnx'));
	const known = inspect('models/moved.onnx');
	assert.equal(known.status, 0, known.stderr);
	assert.match(known.stdout, /warning {2}known dead-channel: 2 of 6 channels are always 0[\s\S]*Layer 1, x: /);
	assert.match(known.stdout, /^Against the baseline: 0 new findings, 2 known\.$/m);
	await writeFile(path.join(folder, 'models', 'other.onnx'), model(['a', 'ccc']));
	const fresh = inspect('models/other.onnx', '--json');
	assert.equal(fresh.status, 1);
	assert.match(
		fresh.stderr,
		/^Against the baseline: 1 new finding, 1 known, 1 gone: dead-channel of bb\. Record [^\n]*\n$/,
	);
	const { layers, baseline } = JSON.parse(fresh.stdout);
	assert.deepEqual(
		layers.map((layer: { findings: { known?: true }[] }) => layer.findings.map((finding) => finding.known)),
		[[true], [undefined]],
	);
	assert.deepEqual([baseline.known, baseline.fresh, baseline.vanished[0].layer], [1, 1, 'bb']);
});

test('a file that is no baseline is named in a sentence', async () => {
	const contents = ['', '{', '[]', '{"format":"batchnorm-lens.baseline","version":9,"entries":[]}', '\0\0'];
	const file = path.join(folder, 'bad.json');
	for (const content of contents) {
		await writeFile(file, content);
		await assert.rejects(BaselineFile.read({ file, isUpdate: true }), (error) => {
			assert.ok(error instanceof BaselineError);
			assert.match(error.message, /^The baseline \S+bad\.json cannot be used: [^.]+\..*--update-baseline\.$/);
			return true;
		});
	}
	const folderError = { name: 'BaselineError', message: /cannot be read: it is a folder\.$/ };
	await assert.rejects(BaselineFile.read({ file: folder, isUpdate: true }), folderError);
	// PowerShell redirects in UTF-16, and editors add a byte order mark and CRLF.
	const empty = '{"format":"batchnorm-lens.baseline",\r\n"version":1,"entries":[]}\r\n';
	for (const bytes of [Buffer.from(`\ufeff${empty}`, 'utf16le'), Buffer.from(`\ufeff${empty}`)]) {
		await writeFile(file, bytes);
		await BaselineFile.read({ file, isUpdate: false });
	}
});

test('a baseline never replaces a model, and an update needs a file', async () => {
	assert.throws(() => parseBaselineOptions({ 'update-baseline': true }), { name: 'UsageError' });
	const file = path.join(folder, 'read.json');
	await writeFile(file, '{"format":"batchnorm-lens.baseline","version":1,"entries":[]}');
	const baseline = await BaselineFile.read({ file, isUpdate: true });
	const subject = { model: file, ids: [], accepted: () => [] };
	await assert.rejects(baseline.entryFor(subject, [file]), { name: 'WriteError', message: /is read by this command/ });
});

test('no output takes the place of the baseline, and a device is no baseline', {
	skip: process.platform === 'win32',
}, async () => {
	await writeFile(path.join(folder, 'two.onnx'), model(['a']));
	const accepted = '{"format":"batchnorm-lens.baseline","version":1,"entries":[]}';
	await writeFile(path.join(folder, 'two.json'), accepted);
	const twice = [
		['inspect', 'two.onnx', '--baseline', 'two.json', '-o', 'two.json'],
		['inspect', 'two.onnx', '--baseline', 'two.json', '--update-baseline', '-o', './two.json'],
		['compare', 'two.onnx', 'two.onnx', '--baseline', 'two.json', '-o', 'two.json'],
		['check', 'two.onnx', '--baseline', 'two.json', '--sarif', 'two.json'],
		['check', 'two.onnx', '--sarif', 'new.txt', '--junit', 'new.txt'],
	];
	for (const args of twice) {
		const { status, stderr } = spawnSync(process.execPath, [cli, ...args, '--no-run'], {
			encoding: 'utf8',
			cwd: folder,
		});
		assert.equal(status, 2, args.join(' '));
		assert.match(stderr, /is named for two purposes: choose another name for one of them\.\n$/);
	}
	assert.equal(await readFile(path.join(folder, 'two.json'), 'utf8'), accepted);
	const device = { name: 'BaselineError', message: /it is a device or pipe, not a file\.$/ };
	await assert.rejects(BaselineFile.read({ file: '/dev/zero', isUpdate: false }), device);
});

test('SARIF has forward slashes on every system', () => {
	assert.equal(uriReference('C:\\ci\\my models\\a.onnx', 'c:\\CI', path.win32), 'my%20models/a.onnx');
	assert.equal(uriReference('/ci/my models/a.onnx', '/ci', path.posix), 'my%20models/a.onnx');
	assert.equal(uriReference('/other/a.onnx', '/ci', path.posix), '../other/a.onnx');
	assert.equal(uriReference('D:\\other\\a.onnx', 'C:\\ci', path.win32), 'a.onnx');
});

test('reports name files from the working directory, those of another drive by their names', () => {
	const posix = relativePaths(['/ci/net.onnx', '/ci/net.onnx.data', '/data/photos'], '/ci', path.posix);
	assert.equal(posix('/ci/net.onnx'), 'net.onnx');
	assert.equal(posix('2 files of /data/photos: a.png to b.png'), '2 files of ../data/photos: a.png to b.png');
	assert.equal(posix('The file /ci/net.onnx.data is missing.'), 'The file net.onnx.data is missing.');
	const windows = relativePaths(['D:\\nets\\a.onnx', 'C:\\ci\\nets\\b.onnx'], 'C:\\ci', path.win32);
	assert.equal(windows('D:\\nets\\a.onnx against C:\\ci\\nets\\b.onnx'), 'a.onnx against nets/b.onnx');
});

test('a path far outside of the working directory is a name in documents, and the shortest whole path in a terminal', () => {
	const posix = (file: string, from: string) => [
		shownPath(file, from, path.posix),
		terminalPath(file, from, path.posix, '/home/me'),
	];
	assert.deepEqual(posix('/ci/net.onnx', '/ci/a/b'), ['../../net.onnx', '../../net.onnx']);
	assert.deepEqual(posix('/tmp/net.onnx', '/home/me/code/project'), ['net.onnx', '/tmp/net.onnx']);
	assert.deepEqual(posix('/home/me/nets/net.onnx', '/home/me/code/project/a/b'), ['net.onnx', '~/nets/net.onnx']);
	assert.deepEqual(posix('/srv/0123456789/0123456789/net.onnx', '/srv/0123456789/0123456789/a/b/c'), [
		'net.onnx',
		'../../../net.onnx',
	]);
	const home = 'C:\\Users\\me';
	assert.equal(terminalPath('D:\\nets\\a.onnx', 'C:\\ci', path.win32, home), 'D:\\nets\\a.onnx');
	assert.equal(terminalPath('C:\\Users\\me\\a.onnx', 'D:\\ci', path.win32, home), '~\\a.onnx');
});

test('results of tasks have short paths in every text, and keep their numbers', () => {
	const file = path.resolve('nets', 'a.onnx');
	const result = {
		model: file,
		written: { path: file, bytes: 5 },
		notes: [`${file} was read.`],
		values: Float64Array.of(1),
	};
	const name = 'nets/a.onnx';
	for (const json of [true, false]) {
		assert.deepEqual(withShortPaths(result, [file], { json }), {
			model: name,
			written: { path: name, bytes: 5 },
			notes: [`${name} was read.`],
			values: Float64Array.of(1),
		});
	}
});

test('a document names a file far outside of the working directory by its name', () => {
	const model = path.resolve('net.onnx');
	const root = process.cwd();
	process.chdir(path.join('test', 'unit', 'cli'));
	try {
		assert.deepEqual(withShortPaths({ model }, [model], { json: true }), { model: 'net.onnx' });
	} finally {
		process.chdir(root);
	}
});

test('paths in the file have forward slashes on every system', () => {
	assert.equal(relativePath('/ci/known.json', '/ci/models/net.onnx', path.posix), 'models/net.onnx');
	assert.equal(relativePath('C:\\ci\\known.json', 'C:\\ci\\Models\\net.onnx', path.win32), 'Models/net.onnx');
	assert.equal(relativePath('C:\\ci\\known.json', 'c:\\CI\\net.onnx', path.win32), 'net.onnx');
	assert.equal(relativePath('C:\\ci\\known.json', 'D:\\net.onnx', path.win32), 'D:/net.onnx');
});
