import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { root } from '../workbench/paths.mjs';

/**
 * Folder below src/ -> the folders that it may import, read from the table in src/README.md. An allowed folder covers its
 * subfolders.
 */
const MAY_IMPORT: ReadonlyMap<string, readonly string[]> = readImportTable();

/** Package, or "node" and "vscode" -> the parts of src/ that may use it. Other packages are forbidden. */
const MAY_USE: Readonly<Record<string, readonly string[]>> = {
	vscode: ['host', 'extension.ts'],
	node: ['engine', 'cli', 'host', 'mcp', 'platform'],
	'onnxruntime-node': ['engine/child'],
	'@modelcontextprotocol/sdk': ['mcp'],
	zod: ['mcp'],
	fflate: ['engine/child'],
	'fast-png': ['engine/child'],
	'jpeg-js': ['engine/child'],
	'@bufbuild/protobuf': ['core/onnx'],
	'plotly.js-dist-min': ['view', 'webview', 'notebook'],
};

const TOP_LEVEL = new Set([
	...['package.json', 'package-lock.json', 'tsconfig.json', 'esbuild.mjs', 'README.md', 'LICENSE', 'CHANGELOG.md'],
	...['src', 'media', 'test'],
	// Written by the build and ignored by git, like everything that begins with a dot and is not tracked.
	...['node_modules', 'dist', 'out'],
]);

const STATEMENTS = [
	/^(?:import|export)\s[^'";]*?\sfrom '([^']+)'/gm,
	/^import '([^']+)'/gm,
	/\b(?:import|require)\('([^']+)'\)/g,
];

interface Import {
	readonly from: string;
	/** Path below src/, or the name of a package; every Node module is "node". */
	readonly to: string;
	readonly local: boolean;
}

const files = readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' })
	.map((file) => file.split(path.sep).join('/'))
	.filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'));
const imports = files.flatMap((file) => importsOf(file));

function importsOf(file: string): Import[] {
	const text = readFileSync(path.join(root, 'src', file), 'utf8');
	const specifiers = STATEMENTS.flatMap((statement) => [...text.matchAll(statement)].map(([, name = '']) => name));
	return specifiers
		.filter((specifier) => !specifier.endsWith('.css'))
		.map((specifier) => {
			const local = specifier.startsWith('.');
			return { from: file, to: local ? resolve(file, specifier) : packageName(specifier), local };
		});
}

function resolve(file: string, specifier: string): string {
	const target = path.posix.join(path.posix.dirname(file), specifier.replace(/\.(js|wasm)$/, ''));
	return `${target}.ts`;
}

function packageName(specifier: string): string {
	if (specifier.startsWith('node:')) {
		return 'node';
	}
	return specifier
		.split('/')
		.slice(0, specifier.startsWith('@') ? 2 : 1)
		.join('/');
}

function readImportTable(): ReadonlyMap<string, readonly string[]> {
	const rows = readFileSync(path.join(root, 'src/README.md'), 'utf8').matchAll(/^\| `([^`]+)` \| ([^|]*)\|/gm);
	return new Map([...rows].map(([, folder = '', allowed = '']) => [folder, allowed.match(/[^`, ]+/g) ?? []]));
}

/** Returns the row of the table for a file: that of the deepest folder listed, or the file's own path. */
function part(file: string): string {
	const segments = file.split('/');
	const paths = segments.map((_, index) => segments.slice(0, index + 1).join('/')).reverse();
	return paths.find((name) => MAY_IMPORT.has(name)) ?? path.posix.dirname(file);
}

function covers(folder: string, file: string): boolean {
	return file === folder || file.startsWith(`${folder}/`);
}

test('every folder of src/ has a row in the table of imports, and every row a folder', () => {
	const parts = [...new Set(files.map(part))].sort();
	assert.deepEqual(parts, [...MAY_IMPORT.keys()].sort());
});

test('files import only what the table allows', () => {
	const violations = imports
		.filter(({ local, from, to }) => local && part(from) !== part(to))
		.filter(({ from, to }) => !MAY_IMPORT.get(part(from))?.some((folder) => covers(folder, to)))
		.map(({ from, to }) => `${from} imports ${to}`);
	assert.deepEqual(violations, []);
});

test('packages, Node and VS Code are used only where they run', () => {
	const violations = imports
		.filter(({ local }) => !local)
		.filter(({ from, to }) => !MAY_USE[to]?.some((folder) => covers(folder, from)))
		.map(({ from, to }) => `${from} imports ${to}`);
	assert.deepEqual(violations, []);
});

test('every import names a file that is there', () => {
	const missing = imports.filter(({ local, to }) => local && !existsSync(path.join(root, 'src', to)));
	assert.deepEqual(missing, []);
	assert.ok(imports.length > files.length, `${imports.length} imports found in ${files.length} files`);
});

test('no file imports itself by a detour', () => {
	const edges = new Map(files.map((file) => [file, imports.filter(({ from }) => from === file).map(({ to }) => to)]));
	const done = new Set<string>();
	const cycles: string[] = [];
	const visit = (file: string, trail: readonly string[]): void => {
		if (trail.includes(file)) {
			cycles.push([...trail.slice(trail.indexOf(file)), file].join(' -> '));
		} else if (!done.has(file)) {
			for (const next of edges.get(file) ?? []) {
				visit(next, [...trail, file]);
			}
			done.add(file);
		}
	};
	for (const file of files) {
		visit(file, []);
	}
	assert.deepEqual(cycles, []);
});

test('the top level holds the expected files and no others', () => {
	const unexpected = readdirSync(root).filter((name) => !name.startsWith('.') && !TOP_LEVEL.has(name));
	assert.deepEqual(unexpected, []);
});

test('the map names only files that exist', () => {
	const text = readFileSync(path.join(root, 'src/README.md'), 'utf8');
	const names = [...text.matchAll(/`([\w-]+(?:\/[\w-]+)+\.(?:ts|json))`/g)].map(([, name = '']) => name);
	assert.ok(names.length > 40, `${names.length} files`);
	assert.deepEqual(
		names.filter((name) => !existsSync(path.join(root, name.startsWith('test/') ? '' : 'src', name))),
		[],
	);
});
