import assert from 'node:assert/strict';
import { symlink } from 'node:fs/promises';
import { after, afterEach, before, describe, it } from 'mocha';
import * as vscode from 'vscode';
import type { ModelSession } from '../../src/host/model/model-session.js';
import { checkpointBytes } from '../unit/support/checkpoints.js';
import { buildModel } from '../unit/support/model-builder.js';
import { mobileNetV2 } from '../unit/support/networks.js';
import { closeAllEditors, extension, Folder, openModel, smallModel, until, VIEW_TYPE } from './support.js';

const folder = new Folder();

function modelTabs(): readonly vscode.TabInputCustom[] {
	const inputs = vscode.window.tabGroups.all.flatMap((group) => group.tabs).map((tab) => tab.input);
	return inputs.filter(
		(input): input is vscode.TabInputCustom => input instanceof vscode.TabInputCustom && input.viewType === VIEW_TYPE,
	);
}

describe('the model editor', () => {
	before(() => folder.create());
	afterEach(closeAllEditors);
	after(() => folder.remove());

	it('opens .onnx files by default, in upper and lower case', async () => {
		const uri = await folder.write('UPPER.ONNX', smallModel());
		await vscode.commands.executeCommand('vscode.open', uri);
		const tab = await until('a tab with our editor', () => modelTabs()[0]);
		assert.equal(tab.uri.toString(), uri.toString());
	});

	it('shows all layers of a network and verifies them against the runtime', async () => {
		const document = await openModel(await folder.write('mobilenet.onnx', mobileNetV2(64)));
		const structure = await until('the structure', () => document.session.report);
		assert.equal(structure.layers.length, 52);
		await until('verdicts', () => document.session.report?.run.status === 'ok');
		const statuses = document.session.report?.layers.map((layer) => layer.recompute.status);
		assert.deepEqual(new Set(statuses), new Set(['match']));
	});

	it('reads a model once for all its tabs and releases it with the last tab', async () => {
		const uri = await folder.write('twice.onnx', smallModel());
		const document = await openModel(uri);
		await vscode.commands.executeCommand('workbench.action.splitEditor');
		await until('two tabs', () => modelTabs().length === 2);
		const { editors } = await extension().activate();
		assert.deepEqual([...editors.documents], [document]);
		assert.equal(editors.activeDocument, document);
		await closeAllEditors();
		await until('the model is let go', () => [...editors.documents].length === 0);
		assert.equal(editors.activeDocument, undefined);
	});

	it('opens every selected file', async () => {
		const uris = [await folder.write('a.onnx', smallModel()), await folder.write('b.onnx', smallModel())];
		await vscode.commands.executeCommand('batchnormLens.inspect', uris[0], uris);
		await until('both tabs', () => modelTabs().length === 2);
	});

	it('opens the file of the active text tab when called from the palette', async () => {
		const uri = await folder.write('text.onnx', smallModel());
		await vscode.commands.executeCommand('vscode.openWith', uri, 'default');
		await vscode.commands.executeCommand('batchnormLens.inspect');
		await until('a tab with our editor', () => modelTabs().length === 1);
	});
});

describe('unreadable and changing files', () => {
	before(() => folder.create());
	afterEach(closeAllEditors);
	after(() => folder.remove());

	const broken: Readonly<Record<string, Uint8Array>> = {
		'an empty file': new Uint8Array(),
		'a text': new TextEncoder().encode('this is not a model\n'.repeat(20)),
		'a truncated model': smallModel().subarray(0, 300),
	};
	for (const [kind, bytes] of Object.entries(broken)) {
		it(`${kind} is explained in one sentence that names the file, and the editor stays usable`, async () => {
			const uri = await folder.write(`${kind}.onnx`, bytes);
			const document = await openModel(uri);
			const problem = await until('a sentence', () => document.session.problem);
			assert.match(problem, /^[^\n]+\.$/);
			assert.ok(problem.includes(`${kind}.onnx`), problem);
			assert.equal(document.session.report, undefined);
			await folder.write(`${kind}.onnx`, smallModel());
			await until('the repaired model', () => document.session.report?.layers.length === 1);
			assert.equal(document.session.problem, undefined);
		});
	}

	it('a folder whose name ends in .onnx is not opened', async () => {
		const uri = vscode.Uri.joinPath(folder.uri, 'folder.onnx');
		await vscode.workspace.fs.createDirectory(uri);
		await vscode.commands.executeCommand('batchnormLens.inspect', uri);
		assert.deepEqual(modelTabs(), []);
	});

	it('shows a model without BatchNormalization and does not run it', async () => {
		const relu = { op: 'Relu', inputs: ['x'], outputs: ['y'] };
		const graph = { inputs: [{ name: 'x', shape: [1] }], outputs: [{ name: 'y', shape: [1] }], nodes: [relu] };
		const document = await openModel(await folder.write('relu.onnx', buildModel({ graph })));
		const run = await until('the outcome', () => document.session.report?.run.status === 'skipped' && document.session);
		assert.match(run.report?.run.reason ?? '', /no BatchNormalization/);
		assert.equal(run.problem, undefined);
	});

	/** Returns the small model with one operator renamed to an unknown type. */
	async function openWithUnknown(operator: string, unknown: string): Promise<ModelSession> {
		const spec = new TextDecoder('latin1').decode(smallModel()).replace(operator, unknown);
		const document = await openModel(await folder.write(`${unknown}.onnx`, Buffer.from(spec, 'latin1')));
		await until('the outcome', () => ['ok', 'failed'].includes(document.session.report?.run.status ?? ''));
		return document.session;
	}

	it('keeps the structure of a model that the runtime refuses, and gives the reason', async () => {
		const { report } = await openWithUnknown('Conv', 'Cunv');
		assert.match(`${report?.run.reason} ${report?.layers[0]?.recompute.reason}`, /Cunv/);
		assert.equal(report?.layers[0]?.recompute.status, 'skipped');
		assert.deepEqual(report?.layers[0]?.parameters?.gamma, Float64Array.of(1, 2));
	});

	it('checks the layers in front of an operator that the runtime refuses', async () => {
		const { report } = await openWithUnknown('Relu', 'Rulu');
		assert.match(report?.run.reason ?? '', /Rulu/);
		assert.equal(report?.layers[0]?.recompute.status, 'match');
	});

	it('keeps the last good report under a banner when the file is deleted, and shows its replacement', async () => {
		const uri = await folder.write('deleted.onnx', smallModel('before'));
		const document = await openModel(uri);
		await until('verdicts', () => document.session.report?.run.status === 'ok');
		await vscode.workspace.fs.delete(uri);
		assert.match(await until('a banner', () => document.session.problem), /deleted\.onnx was deleted/);
		assert.equal(document.session.report?.layers[0]?.recompute.status, 'match');
		await vscode.commands.executeCommand('batchnormLens.run');
		assert.match(document.session.problem ?? '', /deleted\.onnx cannot be opened/);
		await folder.write('deleted.onnx', smallModel('after'));
		await until('the new model', () => document.session.report?.layers[0]?.name === 'after');
		assert.equal(document.session.problem, undefined);
	});

	it('reads and checks a rewritten file again', async () => {
		const uri = await folder.write('rewritten.onnx', smallModel('first'));
		const document = await openModel(uri);
		await until('verdicts', () => document.session.report?.run.status === 'ok');
		await folder.write('rewritten.onnx', smallModel('second'));
		await until('the new structure', () => document.session.report?.layers[0]?.name === 'second');
		await until('its verdicts', () => document.session.report?.run.status === 'ok');
	});

	it('reads a file behind a symbolic link again, although no watcher reports its change', async function () {
		if (process.platform === 'win32') {
			this.skip();
		}
		const elsewhere = new Folder();
		await elsewhere.create();
		try {
			const target = await elsewhere.write('blob', smallModel('first'));
			const link = vscode.Uri.joinPath(folder.uri, 'linked.onnx');
			await symlink(target.fsPath, link.fsPath);
			const document = await openModel(link);
			await until('verdicts', () => document.session.report?.run.status === 'ok');
			await elsewhere.write('blob', smallModel('second'));
			await until('the new structure', () => document.session.report?.layers[0]?.name === 'second');
		} finally {
			await elsewhere.remove();
		}
	});

	it('shows the layers of a checkpoint beside the default editor, and never takes the file over', async () => {
		const uri = await folder.write('net.pth', checkpointBytes('conv1d.pth'));
		await vscode.commands.executeCommand('batchnormLens.inspect', uri);
		const { editors, tree } = await extension().activate();
		const document = await until('the checkpoint', () =>
			[...editors.documents].find((one) => one.uri.toString() === uri.toString() && one.session.report),
		);
		assert.deepEqual(
			document.session.report?.layers.map(({ name }) => name),
			['1', '4'],
		);
		const { activeTab } = vscode.window.tabGroups.activeTabGroup;
		assert.ok(activeTab?.input instanceof vscode.TabInputCustom);
		assert.equal(activeTab.input.viewType, 'batchnormLens.checkpoint');
		await until('the tree', () => tree.getChildren().length === 2);
		await closeAllEditors();
		await vscode.commands.executeCommand('vscode.open', uri);
		assert.ok(!(vscode.window.tabGroups.activeTabGroup.activeTab?.input instanceof vscode.TabInputCustom));
	});
});
