import assert from 'node:assert/strict';
import { access, mkdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { after, afterEach, before, describe, it } from 'mocha';
import * as vscode from 'vscode';
import { parseComparison } from '../../src/core/report/comparison/json.js';
import { FORMATS } from '../../src/core/report/export/index.js';
import type { ComparisonSession } from '../../src/host/comparison/comparison-session.js';
import { writeComparison } from '../../src/host/comparison/export-comparison.js';
import { checkpointBytes } from '../unit/support/checkpoints.js';
import { foldedModel } from '../unit/support/folded.js';
import { buildModel } from '../unit/support/model-builder.js';
import { smallGraph } from '../unit/support/small-model.js';
import { closeAllEditors, extension, Folder, openModel, smallModel, until } from './support.js';

const folder = new Folder();

/** Compares through the command, as the explorer calls it for two selected files. */
async function compareSelected(...uris: readonly vscode.Uri[]): Promise<ComparisonSession> {
	const { comparisons } = await extension().activate();
	await vscode.commands.executeCommand('batchnormLens.compare', uris[0], uris);
	return until('the comparison', () => comparisons.sessions.find((session) => session.comparison && !session.running));
}

const exists = (uri: vscode.Uri): Promise<boolean> =>
	access(uri.fsPath).then(
		() => true,
		() => false,
	);

describe('Compare BatchNorm With…', () => {
	before(() => folder.create());
	afterEach(closeAllEditors);
	after(() => folder.remove());

	it('opens a tab for two selected files and compares parameters and outputs', async () => {
		const original = await folder.write('original.onnx', smallModel());
		const deployed = await folder.write('deployed.onnx', await foldedModel(smallModel()));
		const { comparison } = await compareSelected(original, deployed);
		assert.deepEqual([comparison?.summary.match, comparison?.outputs?.status], [1, 'match']);
		// A comparison by an engine that was ready may end before VS Code reports the new tab.
		const tab = await until('the tab', () => {
			const { activeTab } = vscode.window.tabGroups.activeTabGroup;
			return activeTab?.input instanceof vscode.TabInputWebview && activeTab;
		});
		assert.equal(tab.label, 'original.onnx → deployed.onnx');
	});

	it('takes the model with BN layers as the original, in either order of selection', async () => {
		const original = await folder.write('original.onnx', smallModel());
		const deployed = await folder.write('deployed.onnx', await foldedModel(smallModel()));
		const { comparison } = await compareSelected(deployed, original);
		assert.deepEqual([comparison?.original.path, comparison?.notes], [original.fsPath, []]);
	});

	it('finds a wrong fold and compares again with the models swapped', async () => {
		const original = await folder.write('original.onnx', smallModel());
		const deployed = await folder.write('wrong.onnx', await foldedModel(smallModel(), { 0: 0.5 }));
		const session = await compareSelected(original, deployed);
		assert.equal(session.comparison?.summary.mismatch, 1);
		assert.equal(session.comparison?.outputs?.status, 'mismatch');
		await session.run('swapped');
		assert.match(session.comparison?.notes[0] ?? '', /was named first but has no BatchNormalization/);
	});

	it('compares the open model with the one in its argument', async () => {
		const document = await openModel(await folder.write('open.onnx', smallModel()));
		const deployed = await folder.write('deployed.onnx', await foldedModel(smallModel()));
		const { comparisons } = await extension().activate();
		await vscode.commands.executeCommand('batchnormLens.compare', undefined, deployed);
		const session = await until('the comparison', () => comparisons.sessions.find(({ comparison }) => comparison));
		assert.equal(session.comparison?.original.path, document.uri.fsPath);
	});

	it('refuses three files, and a file compared with itself', async () => {
		const uri = await folder.write('one.onnx', smallModel());
		const { comparisons } = await extension().activate();
		await vscode.commands.executeCommand('batchnormLens.compare', uri, [uri, uri, uri]);
		await vscode.commands.executeCommand('batchnormLens.compare', uri, [uri, uri]);
		assert.deepEqual(comparisons.sessions, []);
	});

	it('compares a checkpoint with its export, chosen from the page of the export', async () => {
		const original = await folder.write('net.pth', checkpointBytes('conv1d.pth'));
		const deployed = await folder.write('net.onnx', await foldedModel(checkpointBytes('conv1d.kept.onnx')));
		await openModel(deployed);
		const { comparisons } = await extension().activate();
		await vscode.commands.executeCommand('batchnormLens.compare', undefined, original);
		const { comparison } = await until('the comparison', () => comparisons.sessions.find((one) => one.comparison));
		assert.deepEqual([comparison?.original.path, comparison?.summary.match], [original.fsPath, 2]);
	});

	it('is exported from its tab in every format, and compared again by command', async () => {
		const original = await folder.write('original.onnx', smallModel());
		const deployed = await folder.write('wrong.onnx', await foldedModel(smallModel(), { 0: 0.5 }));
		const session = await compareSelected(original, deployed);
		const { comparisons } = await extension().activate();
		const open = comparisons.active;
		assert.ok(open && open.session === session);
		const source = { dist: path.join(extension().extensionPath, 'dist'), version: '1.2.3' };
		const texts = new Map<string, string>();
		for (const format of FORMATS) {
			const target = vscode.Uri.joinPath(folder.uri, `comparison.${format}`);
			await writeComparison(open, { format, target }, source);
			texts.set(format, await readFile(target.fsPath, 'utf8'));
		}
		assert.equal(parseComparison(JSON.parse(texts.get('json') ?? '')).summary.mismatch, 1);
		const [run] = JSON.parse(texts.get('sarif') ?? '').runs;
		assert.equal(run.results[0].locations[0].physicalLocation.artifactLocation.uri, deployed.toString());
		assert.match(texts.get('html') ?? '', /id="report">\{"format":"batchnorm-lens\.comparison"/);
		await assert.rejects(writeComparison(open, { format: 'csv', target: deployed }, source), /is read by this command/);
		const before = session.comparison;
		await vscode.commands.executeCommand('batchnormLens.compareAgain');
		assert.notEqual(session.comparison, before);
	});

	it('releases a comparison when its tab closes', async () => {
		const original = await folder.write('original.onnx', smallModel());
		await compareSelected(original, await folder.write('deployed.onnx', await foldedModel(smallModel())));
		const { comparisons } = await extension().activate();
		await closeAllEditors();
		await until('it is let go', () => comparisons.sessions.length === 0);
	});

	it('compares again when either file changes, and reports a deleted file', async () => {
		const original = await folder.write('original.onnx', smallModel());
		const deployed = await folder.write('deployed.onnx', await foldedModel(smallModel()));
		const session = await compareSelected(original, deployed);
		await folder.write('deployed.onnx', await foldedModel(smallModel(), { 0: 0.5 }));
		await until('the mismatch', () => session.comparison?.summary.mismatch === 1 && !session.running);
		await vscode.workspace.fs.delete(original);
		await until('the reason', () => /original\.onnx was deleted/.test(session.problem ?? ''));
		await folder.write('original.onnx', smallModel());
		await until('another comparison', () => session.problem === undefined && !session.running);
	});

	it('restores a tab after the window was reloaded', async () => {
		const { comparisons } = await extension().activate();
		const original = await folder.write('original.onnx', smallModel());
		const deployed = await folder.write('deployed.onnx', await foldedModel(smallModel()));
		const tab = () =>
			vscode.window.createWebviewPanel('batchnormLens.comparison', 'restored', vscode.ViewColumn.Active);
		const pair = { original: original.toString(), deployed: deployed.toString() };
		await comparisons.deserializeWebviewPanel(tab(), { pair, layer: null });
		const session = await until('the comparison', () => comparisons.sessions.find(({ comparison }) => comparison));
		assert.equal(session.comparison?.summary.match, 1);
		const unknown = tab();
		let isClosed = false;
		unknown.onDidDispose(() => {
			isClosed = true;
		});
		await comparisons.deserializeWebviewPanel(unknown, undefined);
		assert.equal(isClosed, true);
		assert.equal(comparisons.sessions.length, 1);
	});

	it('opens no tab for an unreadable file', async () => {
		const original = await folder.write('original.onnx', smallModel());
		const broken = await folder.write('broken.onnx', 'not a model\n'.repeat(20));
		const { comparisons } = await extension().activate();
		await vscode.commands.executeCommand('batchnormLens.compare', original, [original, broken]);
		assert.deepEqual(comparisons.sessions, []);
	});
});

describe('Save Folded Model As…', () => {
	before(() => folder.create());
	afterEach(closeAllEditors);
	after(() => folder.remove());

	it('writes a model without BatchNormalization that matches its original', async () => {
		const original = await folder.write('original.onnx', smallModel());
		const target = vscode.Uri.joinPath(folder.uri, 'folded.onnx');
		await vscode.commands.executeCommand('batchnormLens.fold', original, target);
		assert.ok((await stat(target.fsPath)).size > 0);
		const { comparison } = await compareSelected(original, target);
		assert.deepEqual([comparison?.summary.match, comparison?.outputs?.status], [1, 'match']);
	});

	it('never overwrites the model itself', async () => {
		const original = await folder.write('original.onnx', smallModel());
		await vscode.commands.executeCommand('batchnormLens.fold', original, original);
		assert.deepEqual(new Uint8Array(await readFile(original.fsPath)), smallModel());
	});

	it('copies external data to the other folder', async () => {
		await folder.write('gamma.bin', new Uint8Array(Float32Array.of(1, 2).buffer));
		const original = await folder.write('external.onnx', smallModel('bn', { location: 'gamma.bin' }));
		const other = path.join(folder.uri.fsPath, 'other');
		await mkdir(other);
		const target = vscode.Uri.file(path.join(other, 'folded.onnx'));
		await vscode.commands.executeCommand('batchnormLens.fold', original, target);
		const { comparison } = await compareSelected(original, target);
		assert.equal(comparison?.summary.match, 1);
	});

	it('writes no file for a model that it cannot read', async () => {
		const broken = await folder.write('broken.onnx', 'not a model\n'.repeat(20));
		const target = vscode.Uri.joinPath(folder.uri, 'never.onnx');
		await vscode.commands.executeCommand('batchnormLens.fold', broken, target);
		assert.equal(await exists(target), false);
	});
});

describe('Save Repaired Model As…', () => {
	before(() => folder.create());
	afterEach(closeAllEditors);
	after(() => folder.remove());

	it('writes the deployed model of the open comparison with its wrong fold put right', async () => {
		const original = await folder.write('original.onnx', smallModel());
		const deployed = await folder.write('wrong.onnx', await foldedModel(smallModel(), { 0: 0.5 }));
		await compareSelected(deployed, original);
		const target = vscode.Uri.joinPath(folder.uri, 'repaired.onnx');
		await vscode.commands.executeCommand('batchnormLens.repair', undefined, target);
		await closeAllEditors();
		const { comparison } = await compareSelected(original, target);
		assert.deepEqual([comparison?.summary.match, comparison?.outputs?.status], [1, 'match']);
	});

	it('writes no file for a right model, and never the original', async () => {
		const original = await folder.write('original.onnx', smallModel());
		const pair = { original, deployed: await folder.write('right.onnx', await foldedModel(smallModel())) };
		const target = vscode.Uri.joinPath(folder.uri, 'never.onnx');
		await vscode.commands.executeCommand('batchnormLens.repair', pair, target);
		assert.equal(await exists(target), false);
		const wrong = await folder.write('wrong.onnx', await foldedModel(smallModel(), { 0: 0.5 }));
		await vscode.commands.executeCommand('batchnormLens.repair', { original, deployed: wrong }, original);
		assert.deepEqual(new Uint8Array(await readFile(original.fsPath)), smallModel());
	});
});

describe('Save as Inference Model…', () => {
	before(() => folder.create());
	afterEach(closeAllEditors);
	after(() => folder.remove());

	it('writes a model in training mode for inference', async () => {
		const graph = smallGraph();
		const nodes = (graph.nodes ?? []).map((node) =>
			node.op === 'BatchNormalization'
				? { ...node, outputs: ['b', 'batchMean', 'batchVariance'], attributes: { training_mode: { i: 1 } } }
				: node,
		);
		const model = await folder.write('training.onnx', buildModel({ graph: { ...graph, nodes } }));
		const target = vscode.Uri.joinPath(folder.uri, 'inference.onnx');
		await vscode.commands.executeCommand('batchnormLens.saveInference', model, target);
		const { session } = await openModel(target);
		const report = await until('the report', () => session.report);
		assert.deepEqual(
			report.layers.map(({ mode }) => mode),
			['inference'],
		);
	});
});
