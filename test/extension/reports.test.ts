import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, afterEach, before, describe, it } from 'mocha';
import * as vscode from 'vscode';
import { parseReport } from '../../src/core/report/json.js';
import { writeExport } from '../../src/host/reports/exports.js';
import { buildModel } from '../unit/support/model-builder.js';
import { closeAllEditors, extension, Folder, openModel, smallModel, until } from './support.js';

const folder = new Folder();

/** A layer whose channels 0 and 2 are dead and whose channel 1 has variance 0. */
function deadModel(): Uint8Array {
	const values = { g: [0, 1, 0, 1], b: [0, 0, 1, 1], m: [1, 2, 3, 4], v: [1, 0, 2, 1] };
	return buildModel({
		graph: {
			inputs: [{ name: 'x', shape: [1, 4] }],
			outputs: ['y'],
			initializers: Object.entries(values).map(([name, numbers]) => ({ name, values: numbers })),
			nodes: [{ op: 'BatchNormalization', name: 'dead/bn', inputs: ['x', 'g', 'b', 'm', 'v'], outputs: ['y'] }],
		},
	});
}

/** Two layers, one behind the other. */
function twoLayers(): Uint8Array {
	const values = { g: [1, 2], b: [0, 1], m: [0, 1], v: [1, 2] };
	const bn = (name: string, from: string, to: string) => ({
		op: 'BatchNormalization',
		name,
		inputs: [from, 'g', 'b', 'm', 'v'],
		outputs: [to],
	});
	return buildModel({
		graph: {
			inputs: [{ name: 'x', shape: [1, 2] }],
			outputs: ['y'],
			initializers: Object.entries(values).map(([name, numbers]) => ({ name, values: numbers })),
			nodes: [bn('first', 'x', 'h'), bn('second', 'h', 'y')],
		},
	});
}

/** Opens a model and waits for the end of its run. */
async function openChecked(name: string, bytes: Uint8Array) {
	const document = await openModel(await folder.write(name, bytes));
	// The final report replaces the growing one only after the run's end was announced.
	await until('verdicts', () => document.session.report?.run.status === 'ok' && !document.session.running);
	return document;
}

describe('the tree of layers', () => {
	before(() => folder.create());
	afterEach(closeAllEditors);
	after(() => folder.remove());

	it('lists the layers of the model in the active tab, and follows it', async () => {
		const { tree } = await extension().activate();
		const labels = () => tree.getChildren().map((node) => tree.getTreeItem(node).label);
		assert.deepEqual(labels(), []);
		await openChecked('dead.onnx', deadModel());
		assert.deepEqual(labels(), ['dead/bn']);
		await until('the count', () => /dead\.onnx · 1 with warnings or errors$/.test(tree.view.description ?? ''));
		assert.equal(tree.view.badge, undefined);
		const other = await openChecked('small.onnx', smallModel('other'));
		assert.deepEqual(labels(), ['other']);
		await until('no count', () => /small\.onnx$/.test(tree.view.description ?? ''));
		const item = tree.getTreeItem({ document: other, index: 0 });
		assert.equal(item.description, 'Conv · 2 ch');
		assert.equal((item.iconPath as vscode.ThemeIcon).id, 'pass');
		await closeAllEditors();
		await until('an empty tree', () => labels().length === 0);
	});

	it('keeps the last model while its text report is active', async () => {
		const { tree } = await extension().activate();
		await openChecked('kept.onnx', smallModel('kept'));
		await vscode.commands.executeCommand('batchnormLens.showReportText');
		assert.deepEqual(
			tree.getChildren().map((node) => tree.getTreeItem(node).label),
			['kept'],
		);
	});

	it('reveals the layer, also in a background tab', async () => {
		const { tree, editors } = await extension().activate();
		const document = await openChecked('first.onnx', smallModel('first'));
		const [node] = tree.getChildren();
		assert.ok(node);
		const { command } = tree.getTreeItem(node);
		assert.ok(command);
		await openChecked('second.onnx', smallModel('second'));
		await vscode.commands.executeCommand(command.command, ...(command.arguments ?? []));
		assert.equal(editors.activeDocument, document);
	});
});

describe('the layer selected on the page', () => {
	before(() => folder.create());
	afterEach(closeAllEditors);
	after(() => folder.remove());

	it('is selected in the tree while the tree is visible', async () => {
		const { tree, editors } = await extension().activate();
		const document = await openChecked('two.onnx', twoLayers());
		const selected = () => tree.view.selection[0]?.index;
		await vscode.commands.executeCommand('workbench.view.scm');
		await until('a hidden tree', () => !tree.view.visible);
		await editors.reveal(document.uri, 'second');
		// VS Code delays a page while it closes another, so wait longer.
		await until('the choice', () => editors.chosenLayer(document) === 1, 45_000);
		assert.equal(tree.view.visible, false, 'the view is not opened');
		await vscode.commands.executeCommand('batchnormLens.layers.focus');
		await until('the layer that was chosen before', () => selected() === 1);
		await editors.reveal(document.uri, 'first');
		await until('the layer that was chosen then', () => selected() === 0);
		assert.equal(editors.activeDocument, document);
	});
});

describe('the Problems panel', () => {
	before(() => folder.create());
	afterEach(async () => {
		await vscode.workspace.getConfiguration('batchnormLens').update('problems', undefined, true);
		await closeAllEditors();
	});
	after(() => folder.remove());

	it('has one row per layer and code with a link to the layer, until the model is closed', async () => {
		const { uri } = await openChecked('dead.onnx', deadModel());
		const rows = () => vscode.languages.getDiagnostics(uri);
		await until('rows', () => rows().length > 0);
		const codes = rows().map(({ code }) => (typeof code === 'object' ? String(code.value) : ''));
		assert.ok(codes.includes('dead-channel') && codes.includes('zero-variance'), codes.join());
		assert.equal(new Set(codes).size, codes.length);
		const row = rows().find(({ message }) => message.startsWith('dead/bn: '));
		assert.equal(row?.severity, vscode.DiagnosticSeverity.Warning);
		assert.equal(row?.source, 'BatchNorm Lens');
		const target = typeof row?.code === 'object' ? row.code.target : undefined;
		assert.equal(target?.path, 'batchnormLens.revealLayer');
		assert.deepEqual(JSON.parse(target?.query ?? ''), [uri.toString(), 'dead/bn']);
		await closeAllEditors();
		await until('no rows', () => rows().length === 0);
	});

	it('is emptied by its setting without running the model again', async () => {
		const document = await openChecked('off.onnx', deadModel());
		const rows = () => vscode.languages.getDiagnostics(document.uri);
		await until('rows', () => rows().length > 0);
		const { report } = document.session;
		await vscode.workspace.getConfiguration('batchnormLens').update('problems', false, true);
		await until('no rows', () => rows().length === 0);
		assert.equal(document.session.report, report);
		await vscode.workspace.getConfiguration('batchnormLens').update('problems', undefined, true);
		await until('rows again', () => rows().length > 0);
	});
});

describe('the report outside the page', () => {
	before(() => folder.create());
	afterEach(closeAllEditors);
	after(() => folder.remove());

	it('is a text document that follows the model', async () => {
		const { uri } = await openChecked('text.onnx', smallModel('before'));
		await vscode.commands.executeCommand('batchnormLens.showReportText');
		const { document } = await until('a text editor', () => vscode.window.activeTextEditor);
		assert.equal(document.uri.scheme, 'batchnorm-lens-report');
		assert.equal(document.languageId, 'markdown');
		assert.match(document.getText(), /onnxruntime computes the BatchNorm layer correctly[\s\S]*`before`/);
		await vscode.workspace.fs.writeFile(uri, smallModel('after'));
		await until('the new text', () => document.getText().includes('`after`'));
	});

	it('is exported in every format', async () => {
		const document = await openChecked('written.onnx', deadModel());
		const source = { dist: path.join(extension().extensionPath, 'dist'), version: '1.2.3' };
		const write = async (format: 'json' | 'csv' | 'sarif' | 'html') => {
			const target = vscode.Uri.joinPath(folder.uri, `written.${format}`);
			await writeExport(document, { format, target }, source);
			return readFile(target.fsPath, 'utf8');
		};
		assert.equal(parseReport(JSON.parse(await write('json'))).layers[0]?.name, 'dead/bn');
		assert.equal((await write('csv')).trimEnd().split('\r\n').length, 5);
		const [run] = JSON.parse(await write('sarif')).runs;
		assert.equal(run.results[0].locations[0].physicalLocation.artifactLocation.uri, document.uri.toString());
		assert.match(
			await write('html'),
			/<script type="application\/json" id="report">\{"format":"batchnorm-lens\.report"/,
		);
	});
});
