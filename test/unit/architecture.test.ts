import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { root } from '../workbench/paths.mjs';

/**
 * What each part of src/ may import of ours. The first path segment says where code runs, so this table is what keeps
 * the DOM out of the engine and VS Code out of everything but its host. Change it when the design changes, and say why.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
	'core/onnx': [],
	'core/batchnorm': ['core/onnx'],
	'core/folding': ['core/onnx', 'core/batchnorm', 'core/report'],
	// build.ts makes a report of layers, with where each would fold and why not.
	'core/report': ['core/onnx', 'core/batchnorm', 'core/folding'],
	kernel: [],
	// Adapters of core's ports to Node: files as byte sources.
	platform: ['core/onnx', 'core/report'],
	protocol: ['core/report'],
	'engine/child': ['core/onnx', 'core/batchnorm', 'core/folding', 'core/report', 'kernel', 'platform', 'protocol'],
	engine: ['core/report', 'protocol'],
	// The kernel's moments are what merges reports.
	cli: ['core/onnx', 'core/batchnorm', 'core/folding', 'core/report', 'engine', 'kernel', 'platform', 'protocol'],
	host: ['core/onnx', 'core/batchnorm', 'core/report', 'engine', 'platform', 'protocol'],
	'extension.ts': ['engine', 'host'],
	view: ['core/report'],
	webview: ['protocol', 'view'],
	// An output is untrusted: the notebook's entry parses it before the view sees it.
	notebook: ['core/report', 'protocol', 'view'],
	// The page of an exported report, on its own.
	standalone: ['core/report', 'view'],
};

/** Who may use what is not ours; packages that are not listed are nobody's. */
const MAY_USE: Readonly<Record<string, readonly string[]>> = {
	vscode: ['host', 'extension.ts'],
	node: ['engine', 'engine/child', 'cli', 'host', 'platform'],
	'onnxruntime-node': ['engine/child'],
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

function part(file: string): string {
	const [first = '', second = ''] = file.split('/');
	if (first === 'core') {
		return `core/${second}`;
	}
	return file.startsWith('engine/child/') ? 'engine/child' : first;
}

test('every part of src/ has a line in the table of imports', () => {
	const parts = [...new Set(files.map(part))].sort();
	assert.deepEqual(
		parts.filter((name) => !(name in MAY_IMPORT)),
		[],
	);
});

test('parts import only what the table allows', () => {
	const violations = imports
		.filter(({ local }) => local)
		.filter(({ from, to }) => part(from) !== part(to) && !MAY_IMPORT[part(from)]?.includes(part(to)))
		.map(({ from, to }) => `${from} imports ${to}`);
	assert.deepEqual(violations, []);
});

test('packages, Node and VS Code are used only where they run', () => {
	const violations = imports
		.filter(({ local }) => !local)
		.filter(({ from, to }) => !MAY_USE[to]?.includes(part(from)))
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

test('the top level holds what every reader expects there and nothing else', () => {
	const unexpected = readdirSync(root).filter((name) => !name.startsWith('.') && !TOP_LEVEL.has(name));
	assert.deepEqual(unexpected, []);
});
