/** What the README of the example workspace promises is what the command line finds there. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { WRONG_LAYER, writeExamples } from '../../workbench/examples/workspace.js';

const cli = path.resolve('dist', 'cli.js');

let folder: string;
before(async () => {
	folder = await mkdtemp(path.join(tmpdir(), 'bnl-examples-'));
	await writeExamples(folder, cli);
});
after(() => rm(folder, { recursive: true }));

interface Finding {
	readonly code: string;
	readonly severity: string;
	readonly channels: readonly number[];
	readonly message: string;
}

interface Layer {
	readonly name: string;
	readonly axes: string;
	readonly status: string;
	readonly cause: string | null;
	readonly evidence: string;
	readonly recompute: { readonly status: string };
	readonly findings: readonly Finding[];
}

function run(...args: readonly string[]): { status: number | null; layers: readonly Layer[] } {
	const options = { cwd: folder, encoding: 'utf8', timeout: 60_000, maxBuffer: 1 << 28 } as const;
	const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args, '--json'], options);
	assert.notEqual(status, 2, stderr);
	return { status, layers: JSON.parse(stdout).layers };
}

const codes = (layers: readonly Layer[]) => new Set(layers.flatMap(({ findings }) => findings.map(({ code }) => code)));

test('the healthy network has 52 layers that normalize each channel, without a finding', () => {
	const { status, layers } = run('inspect', 'mobilenet_v2.onnx');
	assert.equal(status, 0);
	assert.equal(layers.length, 52);
	assert.ok(layers.every(({ axes, recompute }) => axes === 'channel' && recompute.status === 'match'));
	const serious = layers.flatMap(({ findings }) => findings.filter(({ severity }) => severity !== 'info'));
	assert.deepEqual(serious, []);
});

test('the first fold of the healthy network is correct; the second has a wrong layer with a named cause', () => {
	assert.ok(run('compare', 'mobilenet_v2.onnx', 'mobilenet_v2.folded.onnx').layers.every((l) => l.status === 'match'));
	const { status, layers } = run('compare', 'mobilenet_v2.onnx', 'mobilenet_v2.deployed.onnx');
	assert.equal(status, 1);
	const wrong = layers.flatMap((layer, index) => (layer.status === 'match' ? [] : [{ ...layer, index }]));
	assert.deepEqual(
		wrong.map(({ index, cause }) => ({ index, cause })),
		[{ index: WRONG_LAYER, cause: 'gamma-dropped' }],
	);
	assert.match(wrong[0]?.evidence ?? '', /gamma/);
});

test("the first export has all parameters of the checkpoint; the second lacks a single layer's", () => {
	const file = (name: string) => path.join('checkpoint', name);
	assert.equal(run('inspect', file('net.pt')).layers.length, 3);
	assert.equal(run('compare', file('net.pt'), file('net.onnx')).status, 0);
	const { status, layers } = run('compare', file('net.pt'), file('net.wrong.onnx'));
	assert.equal(status, 1);
	assert.deepEqual(
		layers.map(({ cause }) => cause),
		[null, 'wrong-epsilon', null],
	);
});

test('the data do not fit the small network, and its int8 form keeps every layer', () => {
	const file = (name: string) => path.join('pytorch', name);
	const fed = run('inspect', file('plain_cnn.onnx'), '--input', file('plain_cnn.shifted.npy'));
	assert.ok(codes(fed.layers).has('statistics-drift'), [...codes(fed.layers)].join());
	const { layers } = run('compare', file('plain_cnn.onnx'), file('plain_cnn.int8.onnx'));
	assert.deepEqual(
		layers.map(({ status, cause }) => [status, cause]),
		layers.map(() => ['match', 'quantized-int8']),
	);
});

test('the unhealthy network has dead channels, exploding scales, zero variances and a layer that was never trained', () => {
	const found = codes(run('inspect', 'unhealthy.onnx').layers);
	for (const code of ['dead-channel', 'exploding-scale', 'zero-variance', 'never-updated']) {
		assert.ok(found.has(code), `${code} is not among ${[...found].join(', ')}`);
	}
});

test('the wrong fusion is an error of the runtime, not of the layer', () => {
	const { status, layers } = run('inspect', 'wrong-fusion.onnx');
	assert.equal(status, 1);
	assert.equal(layers[0]?.recompute.status, 'match');
	assert.deepEqual([...codes(layers)], ['runtime-fusion-mismatch']);
});

test('the networks of PyTorch compare with their own folding', async () => {
	const names = (await readdir(path.join(folder, 'pytorch'))).filter((name) => name.endsWith('.folded.onnx'));
	assert.ok(names.length >= 7);
	for (const name of names) {
		const { status } = run('compare', path.join('pytorch', name.replace('.folded', '')), path.join('pytorch', name));
		assert.equal(status, 0, name);
	}
});

test('the README speaks of every file, and of no other', async () => {
	const readme = await readFile(path.join(folder, 'README.md'), 'utf8');
	const here = (await readdir(folder)).filter((name) => name !== 'README.md');
	assert.deepEqual(
		here.filter((name) => !readme.includes(`\`${name}\``)),
		[],
	);
	const below = await Promise.all(['pytorch', 'checkpoint'].map((name) => readdir(path.join(folder, name))));
	const there = new Set([...here, ...below.flat()]);
	const named = [...readme.matchAll(/`([\w.-]+\.(?:onnx|npy|ipynb|pt))`/g)].map(([, name]) => name as string);
	assert.deepEqual(
		named.filter((name) => !there.has(name) && !name.startsWith('.')),
		[],
	);
});

test('the notebook has an output of every kind', async () => {
	const notebook = JSON.parse(await readFile(path.join(folder, 'notebook.ipynb'), 'utf8'));
	const kinds = notebook.cells.flatMap((cell: { outputs?: readonly { data: object }[] }) =>
		(cell.outputs ?? []).map(({ data }) => Object.values(data)[0].kind),
	);
	assert.deepEqual(kinds, ['parameters', 'report', 'comparison', 'model']);
});
