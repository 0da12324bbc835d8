import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import * as vscode from 'vscode';
import { checkpointBytes } from '../unit/support/checkpoints.js';
import { foldedModel } from '../unit/support/folded.js';
import { extension, Folder, openModel, smallModel, until } from './support.js';

const folder = new Folder();

/** Needs a window in restricted mode, which a trusted window cannot enter. */
describe('an untrusted workspace', () => {
	before(function () {
		if (vscode.workspace.isTrusted) {
			this.skip();
		}
		return folder.create();
	});
	after(() => folder.remove());

	it('shows the structure and does not run the model', async () => {
		const document = await openModel(await folder.write('untrusted.onnx', smallModel()));
		await until('the outcome', () => document.session.report?.run.status === 'skipped');
		assert.match(document.session.report?.run.reason ?? '', /not trusted/);
		assert.deepEqual(document.session.report?.layers[0]?.parameters?.gamma, Float64Array.of(1, 2));
		await vscode.commands.executeCommand('batchnormLens.run');
		assert.equal(document.session.running, false);
		assert.equal(document.session.report?.run.status, 'skipped');
	});

	it('inspects a checkpoint, of which nothing would run', async () => {
		const uri = await folder.write('net.pth', checkpointBytes('conv1d.pth'));
		await vscode.commands.executeCommand('batchnormLens.inspect', uri);
		const { editors } = await extension().activate();
		const isOpen = () => [...editors.documents].find((document) => document.uri.toString() === uri.toString());
		const report = await until('the report', () => isOpen()?.session.report);
		assert.equal(report.layers.length, 2);
		await until('the outcome', () => isOpen()?.session.report?.run.status === 'skipped');
		assert.doesNotMatch(isOpen()?.session.report?.run.reason ?? '', /trusted/);
	});

	it('compares models by their files alone and refuses to fold', async () => {
		const original = await folder.write('original.onnx', smallModel());
		const deployed = await folder.write('deployed.onnx', await foldedModel(smallModel()));
		await vscode.commands.executeCommand('batchnormLens.compare', original, [original, deployed]);
		const { comparisons } = await extension().activate();
		const { comparison } = await until('the comparison', () => comparisons.sessions.find((one) => one.comparison));
		assert.equal(comparison?.summary.match, 1);
		assert.match(comparison?.outputs?.reason ?? '', /not trusted/);
		const target = vscode.Uri.joinPath(folder.uri, 'folded.onnx');
		await vscode.commands.executeCommand('batchnormLens.fold', original, target);
		await assert.rejects(async () => vscode.workspace.fs.stat(target));
	});
});
