import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { listFiles, PackageManager } from '@vscode/vsce';
import { stageExtension } from '../package.mjs';
import { smallModel } from '../unit/support/small-model.js';
import { checkFiles, checkVsix, expectedFiles, processorOf, runtimeFiles, TARGETS } from '../vsix-contents.mjs';
import { root } from '../workbench/paths.mjs';

/** Set by the runner: the package for this platform, and the folder into which VS Code unpacked it. */
const { BATCHNORM_LENS_VSIX: vsix = '', BATCHNORM_LENS_INSTALLED: installed = '' } = process.env;

const filesBelow = (folder: string): string[] =>
	readdirSync(folder, { recursive: true, withFileTypes: true })
		.filter((entry) => entry.isFile())
		.map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'));

test('the installed package holds the program and the required licenses only', async () => {
	// VS Code's installer adds a file of its own.
	const found = filesBelow(installed).filter((name) => name !== '.vsixmanifest');
	assert.deepEqual(found.sort(), await expectedFiles(`${process.platform}-${process.arch}`));
});

test('the package of every platform holds the same program, and the runtime for its own processor', async () => {
	for (const target of TARGETS) {
		const { stage } = await stageExtension(target, path.join(installed, 'dist'));
		const files = await listFiles({ cwd: stage, packageManager: PackageManager.None });
		// These three names change when the package is made.
		const renamed: Record<string, string> = {
			'README.md': 'readme.md',
			'CHANGELOG.md': 'changelog.md',
			LICENSE: 'LICENSE.txt',
		};
		await checkFiles(
			files.map((name) => renamed[name] ?? name),
			target,
		);
		const libraries = runtimeFiles(target).map((name) => path.join(stage, name));
		const processors = new Set(libraries.map(processorOf));
		assert.deepEqual([...processors], [target.split('-')[1]]);
		const bytes = files.reduce((sum, name) => sum + statSync(path.join(stage, name)).size, 0);
		console.log(`${target}: ${files.length} files, ${(bytes / 1e6).toFixed(1)} MB unpacked`);
		rmSync(stage, { recursive: true });
	}
});

test('a file too many or too few in a package is named', async () => {
	const [target] = TARGETS;
	const files = await expectedFiles(target);
	const expected = {
		message: /^The package for linux-x64 lacks \[package\.json\] and must not hold \[src\/main\.ts\]\.$/,
	};
	await assert.rejects(
		checkFiles([...files.filter((name) => name !== 'package.json'), 'src/main.ts'], target),
		expected,
	);
	await assert.rejects(checkVsix(vsix, 'win32-x64'), /lacks \[dist\/bin\/napi-v6\/win32\/x64\/onnxruntime\.dll, /);
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
