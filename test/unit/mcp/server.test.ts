/** The server as an assistant starts it: dist/cli.js mcp, behind a client of the official SDK. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { convolutionChain } from '../support/networks.js';

const models = path.resolve('test', 'fixtures', 'models');
let outer = '';
let root = '';
let client: Client;

before(async () => {
	outer = realpathSync(mkdtempSync(path.join(tmpdir(), 'bnl-mcp-')));
	root = path.join(outer, 'root');
	mkdirSync(path.join(root, 'folder.onnx'), { recursive: true });
	for (const name of ['plain_cnn.onnx', 'plain_cnn.folded.onnx']) {
		await cp(path.join(models, name), path.join(root, name));
	}
	await cp(path.join(models, 'mlp.onnx'), path.join(outer, 'secret.onnx'));
	symlinkSync(path.join(outer, 'secret.onnx'), path.join(root, 'link.onnx'));
	writeFileSync(path.join(root, 'broken.onnx'), 'not a model');
	writeFileSync(path.join(root, 'deep.onnx'), convolutionChain(50, [1, 4, 4, 4]));
	client = await connect(['--root', root]);
});

after(async () => {
	await client.close();
	rmSync(outer, { recursive: true });
});

async function connect(words: readonly string[]): Promise<Client> {
	const result = new Client({ name: 'test', version: '1' });
	const args = [path.resolve('dist', 'cli.js'), 'mcp', ...words];
	await result.connect(new StdioClientTransport({ command: process.execPath, args, cwd: outer }));
	return result;
}

interface Answer {
	readonly isError: boolean;
	readonly text: string;
}

async function call(name: string, args: Record<string, unknown>): Promise<Answer> {
	const { content, isError } = await client.callTool({ name, arguments: args });
	const [{ text }] = content as { text: string }[];
	return { isError: isError === true, text };
}

async function answer(name: string, args: Record<string, unknown>) {
	const { isError, text } = await call(name, args);
	assert.equal(isError, false, text);
	assert.ok(text.length < 16_000, `${text.length} characters`);
	return JSON.parse(text);
}

test('lists two tools that only read', async () => {
	const { tools } = await client.listTools();
	assert.deepEqual(
		tools.map(({ name, annotations }) => [name, annotations?.readOnlyHint]),
		[
			['inspect', true],
			['compare', true],
		],
	);
	assert.deepEqual(tools[1]?.inputSchema.required, ['original', 'deployed']);
});

test('inspect answers with an overview, and describes chosen layers by index or name', async () => {
	const overview = await answer('inspect', { path: 'plain_cnn.onnx' });
	assert.match(overview.answer, /^onnxruntime computes all 3 BatchNorm layers correctly/);
	assert.equal(overview.run.status, 'ok');
	assert.deepEqual(
		overview.layers.map(({ recompute }: { recompute: string }) => recompute),
		['match', 'match', 'match'],
	);
	assert.ok(overview.findings.some(({ code, layers }: { code: string; layers: number }) => code && layers > 0));
	const { layers } = await answer('inspect', {
		path: 'plain_cnn.onnx',
		run: false,
		layers: [2, overview.layers[0].name],
	});
	assert.deepEqual(
		layers.map(({ index, channels }: { index: number; channels: number }) => [index, channels]),
		[
			[2, 32],
			[0, 16],
		],
	);
	assert.ok(layers[0].gamma.min <= layers[0].gamma.median && layers[0].gamma.median <= layers[0].gamma.max);
});

test('a model of many layers is listed in pages', async () => {
	const names = new Set<string>();
	for (let offset: number | undefined = 0; offset !== undefined; ) {
		const page: { layerCount: number; layers: { name: string }[]; nextOffset?: number } = await answer('inspect', {
			path: 'deep.onnx',
			run: false,
			offset,
		});
		assert.equal(page.layerCount, 50);
		for (const { name } of page.layers) {
			names.add(name);
		}
		offset = page.nextOffset;
	}
	assert.equal(names.size, 50);
});

test('compare answers with the verdict, and describes a layer with its evidence', async () => {
	const models = { original: 'plain_cnn.onnx', deployed: 'plain_cnn.folded.onnx' };
	const overview = await answer('compare', models);
	assert.equal(overview.summary.mismatch, 0);
	assert.ok(overview.summary.match > 0);
	const { layers } = await answer('compare', { ...models, run: false, layers: [0] });
	assert.match(layers[0].evidence, /./);
	assert.equal(layers[0].status, 'match');
});

test('paths outside the root are refused, also through links, without a word on their content', async () => {
	for (const name of ['../secret.onnx', path.join(outer, 'secret.onnx'), 'link.onnx', '..', '/etc/passwd', '']) {
		const { isError, text } = await call('inspect', { path: name });
		assert.ok(isError, name);
		assert.ok(!text.includes(outer) || name.includes(outer), text);
		assert.ok(!text.includes('BatchNorm layer'), text);
	}
});

test('wrong files and arguments get a sentence, and the server goes on', async () => {
	const cases: [string, Record<string, unknown>, RegExp][] = [
		['inspect', { path: 'broken.onnx' }, /^broken\.onnx/],
		['inspect', { path: 'folder.onnx' }, /is not a file/],
		['inspect', { path: 'none.onnx' }, /cannot be read/],
		['inspect', { path: 'a\0b' }, /null character/],
		['inspect', {}, /argument path/],
		['inspect', { path: 'plain_cnn.onnx', seed: -1 }, /argument seed/],
		['inspect', { path: 'plain_cnn.onnx', run: false, layers: [99] }, /no BatchNormalization layer 99/],
		['compare', { original: 'plain_cnn.onnx' }, /argument deployed/],
		['delete', {}, /no tool delete/],
	];
	for (const [name, args, expected] of cases) {
		const { isError, text } = await call(name, args);
		assert.ok(isError, text);
		assert.match(text, expected);
	}
	assert.equal((await answer('inspect', { path: 'plain_cnn.onnx', run: false })).layers.length, 3);
});

test('no call leaves a file', async () => {
	const before = readdirSync(root).sort();
	await answer('inspect', { path: 'plain_cnn.onnx' });
	assert.deepEqual(readdirSync(root).sort(), before);
	assert.deepEqual(readdirSync(outer).sort(), ['root', 'secret.onnx']);
});

test('a root that is not a folder ends the server with a sentence', async () => {
	await assert.rejects(connect(['--root', path.join(outer, 'none')]));
});
