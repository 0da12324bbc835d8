import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { smallModel } from '../unit/support/small-model.js';
import { root } from '../workbench/paths.mjs';

/** Set by the runner: the package for this platform, and the folder into which VS Code unpacked it. */
const { BATCHNORM_LENS_VSIX: vsix = '', BATCHNORM_LENS_INSTALLED: installed = '' } = process.env;
/** Nine tenths are the runtime's library. */
const LIMIT = 21e6;
/** VS Code does not show pictures that lie beside a README. */
const README_PICTURE = 'page.png';
const RUNTIME = { linux: 'libonnxruntime.so.1', darwin: 'libonnxruntime.1.dylib', win32: 'onnxruntime.dll' };

const filesBelow = (folder: string): string[] =>
	readdirSync(folder, { recursive: true, withFileTypes: true })
		.filter((entry) => entry.isFile())
		.map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'));

test('the package holds the program and the required licenses only', () => {
	const runtime = `dist/bin/napi-v6/${process.platform}/${process.arch}`;
	const expected = [
		...['package.json', 'package.nls.json', 'readme.md', 'changelog.md', 'LICENSE.txt'],
		...[
			'extension.js',
			'engine/main.js',
			'engine/parent-watch.js',
			'cli.js',
			'mcp.js',
			'webview.js',
			'comparison.js',
			'notebook.js',
			'standalone.js',
			'plotly.min.js',
		].map((name) => `dist/${name}`),
		...['onnxruntime_binding.node', RUNTIME[process.platform as keyof typeof RUNTIME]].map(
			(name) => `${runtime}/${name}`,
		),
		...filesBelow(path.join(root, 'media'))
			.filter((name) => name !== README_PICTURE)
			.map((name) => `media/${name}`),
	];
	// VS Code's installer adds a file of its own.
	const found = filesBelow(installed).filter((name) => name !== '.vsixmanifest');
	assert.deepEqual(found.sort(), expected.sort());
});

test('the package stays below 21 MB', () => {
	const { size } = statSync(vsix);
	console.log(`${path.basename(vsix)}: ${(size / 1e6).toFixed(2)} MB`);
	assert.ok(size < LIMIT, `${size} bytes`);
});

test('the shipped manifest has no development fields', () => {
	const manifest = JSON.parse(readFileSync(path.join(installed, 'package.json'), 'utf8'));
	assert.deepEqual(
		[manifest.devDependencies, manifest.dependencies, manifest.scripts],
		[undefined, undefined, undefined],
	);
});

test('the command line works from the installed package, runtime included', () => {
	const folder = mkdtempSync(path.join(tmpdir(), 'batchnorm-lens-vsix-'));
	try {
		const model = path.join(folder, 'small.onnx');
		writeFileSync(model, smallModel());
		const output = execFileSync(process.execPath, [path.join(installed, 'dist/cli.js'), 'inspect', model, '--json'], {
			cwd: folder,
		});
		const report = JSON.parse(output.toString());
		assert.equal(report.run.status, 'ok');
		assert.deepEqual(
			report.layers.map((layer: { recompute: { status: string } }) => layer.recompute.status),
			['match'],
		);
	} finally {
		rmSync(folder, { recursive: true });
	}
});

test('every text of the manifest can be translated and has an English version', () => {
	const read = (file: string) => JSON.parse(readFileSync(file, 'utf8'));
	const texts: Record<string, string> = read(path.join(installed, 'package.nls.json'));
	const shipped = readFileSync(path.join(installed, 'package.json'), 'utf8');
	const keys = [...shipped.matchAll(/"%([^"%]+)%"/g)].map(([, key]) => key as string);
	assert.deepEqual(Object.keys(texts).sort(), [...new Set(keys)].sort());
	assert.equal(keys.length, new Set(keys).size, 'two texts share a key');
	const { scripts, devDependencies, private: _, ...written } = read(path.join(root, 'package.json'));
	const restored = JSON.parse(shipped, (_key, value) =>
		typeof value === 'string' ? value.replace(/^%(.+)%$/, (_match, key) => texts[key] ?? '') : value,
	);
	// Adds the file that the installer writes.
	delete restored.__metadata;
	assert.deepEqual(restored, written);
	const untranslated = [
		...shipped.matchAll(/"(?:title|description|displayName|markdownDescription)": "([^"%][^"]*)"/g),
	];
	assert.deepEqual(
		untranslated.map(([text]) => text),
		[],
	);
});
