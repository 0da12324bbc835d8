import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { root } from '../workbench/paths.mjs';

/** Set by the runner: the tarball for npm. */
const { BATCHNORM_LENS_TARBALL: tarball = '' } = process.env;
const LIMIT = 3e6;
const ORIGINAL = 'plain_cnn.onnx';
const FOLDED = 'plain_cnn.folded.onnx';

/** A project with the installed package and nothing of this repository. */
let project = '';

before(() => {
	project = mkdtempSync(path.join(tmpdir(), 'batchnorm-lens-npm-'));
	writeFileSync(path.join(project, 'package.json'), '{ "private": true }');
	// The runtime's script after installation fetches a library for graphics cards, which no test uses.
	run('npm', ['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', tarball], 0);
	cpSync(path.join(root, 'test/fixtures/models', ORIGINAL), path.join(project, ORIGINAL));
	lens(['fold', ORIGINAL, '-o', FOLDED], 0);
});

after(() => rmSync(project, { recursive: true, force: true }));

/** Runs a program in the project, expects an exit status unless it is null, and returns the standard output. */
function run(program: string, words: readonly string[], status: number | null): string {
	const isWindows = process.platform === 'win32';
	const result = spawnSync(isWindows ? `${program}.cmd` : program, words, {
		cwd: project,
		encoding: 'utf8',
		shell: isWindows,
		maxBuffer: 1 << 26,
	});
	const shown = `${words.join(' ')}: ${result.stdout.slice(-500)}${result.stderr.slice(-500)}${result.error ?? ''}`;
	assert.equal(result.status, status ?? result.status, shown);
	return result.stdout;
}

function lens(words: readonly string[], status: number | null): string {
	return run('npx', ['--no-install', 'batchnorm-lens', ...words], status);
}

test('the tarball stays below 3 MB and holds nothing of the extension', () => {
	const { size } = statSync(tarball);
	console.log(`${path.basename(tarball)}: ${(size / 1e6).toFixed(2)} MB`);
	assert.ok(size < LIMIT, `${size} bytes`);
	const folder = path.join(project, 'node_modules/batchnorm-lens');
	for (const name of ['extension.js', 'webview.js', 'comparison.js', 'notebook.js', 'bin']) {
		assert.ok(!existsSync(path.join(folder, 'dist', name)), name);
	}
	for (const name of ['LICENSE', 'README.md', 'CHANGELOG.md', 'media/ThirdPartyNotices.txt']) {
		assert.ok(existsSync(path.join(folder, name)), name);
	}
});

test('its manifest names the runtime as its only dependency, and the versions of the repository', () => {
	const read = (folder: string) => JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
	const manifest = read(path.join(project, 'node_modules/batchnorm-lens'));
	const { version, license, engines, bin, devDependencies } = read(root);
	assert.deepEqual(manifest, {
		name: 'batchnorm-lens',
		version,
		description: manifest.description,
		license,
		bin,
		engines: { node: engines.node },
		files: ['CHANGELOG.md', 'dist', 'media'],
		dependencies: { 'onnxruntime-node': devDependencies['onnxruntime-node'] },
	});
});

test('npx inspects a model with the installed runtime', () => {
	const report = JSON.parse(lens(['inspect', ORIGINAL, '--json'], 0));
	assert.equal(report.run.status, 'ok');
	assert.ok(report.layers.length > 0);
	for (const layer of report.layers) {
		assert.equal(layer.recompute.status, 'match');
	}
});

test('npx compares two models and says which layers arrived', () => {
	const { summary } = JSON.parse(lens(['compare', ORIGINAL, FOLDED, '--json'], 0));
	assert.ok(summary.match > 0);
	assert.equal(summary.mismatch, 0);
});

test('npx exports a page that contains its scripts and styles', () => {
	lens(['inspect', ORIGINAL, '--format', 'html', '-o', 'report.html'], 0);
	const page = readFileSync(path.join(project, 'report.html'), 'utf8');
	assert.match(page, /<style[\s>]/);
	assert.match(page, /id="plotly"/);
});

test('without the runtime, structure and parameters remain, with a sentence', () => {
	rmSync(path.join(project, 'node_modules/onnxruntime-node'), { recursive: true });
	const report = JSON.parse(lens(['inspect', ORIGINAL, '--json'], null));
	assert.equal(report.run.status, 'failed');
	assert.match(report.run.reason, /onnxruntime-node/);
	assert.ok(report.layers[0].parameters.gamma.length > 0);
	assert.equal(JSON.parse(lens(['inspect', ORIGINAL, '--json', '--no-run'], 0)).run.status, 'skipped');
	assert.equal(JSON.parse(lens(['compare', ORIGINAL, FOLDED, '--json', '--no-run'], 0)).summary.mismatch, 0);
});
