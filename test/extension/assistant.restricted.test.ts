import assert from 'node:assert/strict';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'mocha';
import * as vscode from 'vscode';
import { foldedModel } from '../unit/support/folded.js';
import { extension, smallModel } from './support.js';

/** The tools read the workspace only, so the files lie in its folder. */
let folder = '';

interface Answer {
	readonly answer: string;
	readonly run: { readonly status: string };
	readonly note?: string;
	readonly summary: { readonly match: number };
	readonly outputs: string;
	readonly layers: readonly { readonly name: string; readonly recompute: { readonly status: string } }[];
}

async function call(name: string, input: object): Promise<Answer> {
	const options = { input, toolInvocationToken: undefined };
	const { content } = await vscode.lm.invokeTool(`batchnormLens_${name}`, options);
	const [part] = content;
	assert.ok(part instanceof vscode.LanguageModelTextPart);
	assert.ok(part.value.length < 16_000, `${part.value.length} characters`);
	return JSON.parse(part.value);
}

/** The name of this file makes it run in the trusted and in the restricted window. */
describe('the tools for language models', () => {
	before(async () => {
		await extension().activate();
		const [workspace] = vscode.workspace.workspaceFolders ?? [];
		folder = path.join(workspace?.uri.fsPath ?? assert.fail(), 'models');
		await mkdir(folder, { recursive: true });
		await writeFile(path.join(folder, 'net.onnx'), smallModel());
		await writeFile(path.join(folder, 'folded.onnx'), await foldedModel(smallModel()));
		await writeFile(path.join(folder, '..', '..', 'secret.onnx'), smallModel());
		await symlink(path.join(folder, '..', '..', 'secret.onnx'), path.join(folder, 'link.onnx')).catch(() => {});
	});
	after(() => rm(folder, { recursive: true }));

	it('are listed with their schemas', () => {
		const ours = vscode.lm.tools.filter(({ name }) => name.startsWith('batchnormLens_'));
		assert.deepEqual(ours.map(({ name }) => name).sort(), [
			'batchnormLens_compare',
			'batchnormLens_explainLayer',
			'batchnormLens_inspect',
		]);
		for (const { description, inputSchema } of ours) {
			assert.match(description, /BatchNormalization/);
			assert.ok(inputSchema);
		}
	});

	it('inspect a model, which runs only in a trusted workspace', async () => {
		const { run, note, layers } = await call('inspect', { path: 'models/net.onnx' });
		assert.equal(layers.length, 1);
		if (vscode.workspace.isTrusted) {
			assert.deepEqual([run.status, layers[0]?.recompute, note], ['ok', 'match', undefined]);
			assert.equal((await call('inspect', { path: 'models/net.onnx', run: false })).run.status, 'skipped');
		} else {
			assert.deepEqual([run.status, layers[0]?.recompute], ['skipped', 'skipped']);
			assert.match(note ?? '', /not trusted/);
		}
	});

	it('compare two models', async () => {
		const { summary, outputs } = await call('compare', { original: 'models/net.onnx', deployed: 'models/folded.onnx' });
		assert.equal(summary.match, 1);
		assert.match(outputs, vscode.workspace.isTrusted ? /^The outputs agree within rounding/ : /^Outputs not judged/);
	});

	it('explain a layer by its index', async () => {
		const { layers } = await call('explainLayer', { path: path.join(folder, 'net.onnx'), layers: [0], run: false });
		assert.ok(layers[0] && 'gamma' in layers[0]);
	});

	it('read no file outside the workspace, and answer wrong input with a sentence', async () => {
		const outside = [
			'../secret.onnx',
			'models/../../secret.onnx',
			'models/link.onnx',
			'/etc/passwd',
			path.join(folder, '../../secret.onnx'),
		];
		for (const file of outside) {
			await assert.rejects(call('inspect', { path: file }), /outside the folder that may be read/, file);
		}
		await assert.rejects(call('inspect', { path: 'models/none.onnx' }), /cannot be read/);
		await assert.rejects(call('inspect', { path: 'models' }), /not a file/);
		await assert.rejects(
			call('explainLayer', { path: 'models/net.onnx', layers: [9], run: false }),
			/no BatchNormalization layer 9/,
		);
	});
});
