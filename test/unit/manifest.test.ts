import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { root } from '../workbench/paths.mjs';

const read = (name: string) => JSON.parse(readFileSync(path.join(root, name), 'utf8'));
const manifest = read('package.json');
const EXACT = /^\d+\.\d+\.\d+$/;

test('the shipped files are bundled, and no package is installed beside the extension', () => {
	assert.equal(manifest.dependencies, undefined);
});

test('packages are pinned, and the lock file has the same', () => {
	const locked = read('package-lock.json').packages[''].devDependencies;
	assert.deepEqual(locked, manifest.devDependencies);
	for (const [name, version] of Object.entries<string>(manifest.devDependencies)) {
		assert.match(version, EXACT, name);
	}
});

test('the lock file knows the packages of every platform, so that npm ci works on each', () => {
	const packages: Record<string, { optionalDependencies?: object }> = read('package-lock.json').packages;
	const names = new Set(Object.keys(packages).map((name) => name.slice(name.lastIndexOf('node_modules/') + 13)));
	const wanted = Object.values(packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
	assert.ok(wanted.length > 0);
	assert.deepEqual(
		wanted.filter((name) => !names.has(name)),
		[],
	);
});

test('no package runs a script when it is installed', () => {
	// onnxruntime-node's would download GPU libraries.
	assert.match(readFileSync(path.join(root, '.npmrc'), 'utf8'), /^ignore-scripts=true$/m);
});

test('the types belong to the oldest VS Code and Node that the extension allows', () => {
	assert.equal(manifest.engines.vscode, `^${manifest.devDependencies['@types/vscode']}`);
	const node = manifest.devDependencies['@types/node'].split('.')[0];
	assert.equal(manifest.engines.node, `>=${node}`);
});

test('few scripts, and each runs a file that is there', () => {
	const scripts = Object.entries<string>(manifest.scripts);
	assert.ok(scripts.length <= 11, `${scripts.length} scripts`);
	for (const [name, command] of scripts) {
		const file = /^node (\S+)/.exec(command)?.[1];
		assert.ok(!file || file.startsWith('dist/') || readFileSync(path.join(root, file)).length > 0, name);
	}
});

test('the walkthrough shows files that are there and links to commands that exist', () => {
	const { commands, walkthroughs } = manifest.contributes;
	const ours: string[] = commands.map(({ command }: { command: string }) => command);
	for (const { title, description, media } of walkthroughs[0].steps) {
		assert.ok(readFileSync(path.join(root, media.markdown)).length > 100, title);
		const links = [...description.matchAll(/\(command:([\w.]+)\)/g)].map(([, command]) => command);
		assert.equal(links.length, 1, title);
		assert.ok(ours.includes(links[0]) || links[0].startsWith('workbench.'), links[0]);
	}
});

test('commands that act on a model are offered only while a model is open', () => {
	const enablement = Object.fromEntries(
		manifest.contributes.commands.map((one: { command: string; enablement?: string }) => [one.command, one.enablement]),
	);
	for (const name of ['showReportText', 'exportReport', 'saveReportNotebook']) {
		assert.equal(enablement[`batchnormLens.${name}`], 'batchnormLens.modelOpen', name);
	}
});
