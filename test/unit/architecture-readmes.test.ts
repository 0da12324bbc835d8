import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { transformSync } from 'esbuild';
import { root } from '../workbench/paths.mjs';

/** An item of a README's list that names files or subfolders and the tests that cover them. */
interface Item {
	readonly names: readonly string[];
	readonly tests: readonly string[];
}

const entries = readdirSync(path.join(root, 'src'), { recursive: true, withFileTypes: true });
const below = (entry: (typeof entries)[number]) =>
	path.relative(path.join(root, 'src'), path.join(entry.parentPath, entry.name)).split(path.sep).join('/');
const folders = ['.', ...entries.filter((entry) => entry.isDirectory()).map(below)].sort();
const sources = entries
	.map(below)
	.filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
	.sort();
const items = new Map(folders.map((folder) => [folder, itemsOf(folder)]));

function itemsOf(folder: string): readonly Item[] {
	const readme = path.join(root, 'src', folder, 'README.md');
	const text = existsSync(readme) ? readFileSync(readme, 'utf8') : '';
	return text
		.split(/\n(?=- )|\n\n/)
		.filter((block) => block.startsWith('- '))
		.map((block) => [...block.matchAll(/`([^`\s]+)`/g)].map(([, name = '']) => name))
		.map((names) => ({
			names: names.filter((name) => !name.startsWith('test/')),
			tests: names.filter((name) => name.startsWith('test/')),
		}))
		.filter(({ tests }) => tests.length > 0);
}

/** Returns whether a file has code to run. Types and constants have none; the compiler checks them. */
function hasFunction(source: string): boolean {
	const text = readFileSync(path.join(root, 'src', source), 'utf8');
	const { code } = transformSync(text, { loader: 'ts', minifyWhitespace: true });
	return /=>|\)\{/.test(code);
}

const hasMirroredTest = (source: string) =>
	source.endsWith('.ts') && existsSync(path.join(root, 'test/unit', source.replace(/\.ts$/, '.test.ts')));

/** Returns whether the README of the file's folder names it, or the README of a folder above names one of its folders. */
function isNamed(source: string): boolean {
	const parts = source.split('/');
	return parts.some((_, depth) => {
		const folder = parts.slice(0, depth).join('/') || '.';
		const name = depth === parts.length - 1 ? parts[depth] : `${parts[depth]}/`;
		return items.get(folder)?.some(({ names }) => names.includes(name ?? ''));
	});
}

test('every folder of src/ has a README', () => {
	const missing = folders.filter((folder) => !existsSync(path.join(root, 'src', folder, 'README.md')));
	assert.deepEqual(missing, []);
});

test('every source file with a function has a test of its own name, or the README of its folder names its test', () => {
	const uncovered = sources
		.filter((source) => !hasMirroredTest(source))
		.filter((source) => !isNamed(source) && hasFunction(source));
	assert.deepEqual(uncovered, []);
});

test('READMEs name only files and tests that exist, and no file that has a test of its own', () => {
	const wrong = folders.flatMap((folder) =>
		(items.get(folder) ?? []).flatMap(({ names, tests }) => [
			...tests.filter((name) => !existsSync(path.join(root, name))),
			...names
				.map((name) => path.posix.join(folder, name))
				.filter((name) => !existsSync(path.join(root, 'src', name)) || hasMirroredTest(name)),
		]),
	);
	assert.deepEqual(wrong, []);
});
