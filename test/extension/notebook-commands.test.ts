import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, afterEach, before, describe, it } from 'mocha';
import * as vscode from 'vscode';
import { MIME_TYPE } from '../../src/core/report/export/mime-type.js';
import { parsePayload } from '../../src/core/report/payload.js';
import { writeNotebook } from '../../src/host/reports/notebook-commands.js';
import { closeAllEditors, Folder, openModel, smallModel, until } from './support.js';

const folder = new Folder();

async function openNotebook(name: string, ...sources: string[]): Promise<vscode.NotebookEditor> {
	const cells = sources.map((source) => ({
		cell_type: 'code',
		metadata: {},
		execution_count: null,
		outputs: [],
		source: [source],
	}));
	const content = JSON.stringify({ cells, metadata: {}, nbformat: 4, nbformat_minor: 4 });
	const uri = await folder.write(name, content);
	return vscode.window.showNotebookDocument(await vscode.workspace.openNotebookDocument(uri));
}

async function revert(): Promise<void> {
	await vscode.commands.executeCommand('workbench.action.files.revert');
	await closeAllEditors();
}

describe('notebook commands', () => {
	before(() => folder.create());
	afterEach(revert);
	after(() => folder.remove());

	it('insert a cell below the selected cell and select it', async () => {
		const editor = await openNotebook('two.ipynb', 'first = 1', 'second = 2');
		editor.selection = new vscode.NotebookRange(0, 1);
		await vscode.commands.executeCommand('batchnormLens.insertNotebookCell', 'pytorch');
		const texts = editor.notebook.getCells().map((cell) => cell.document.getText());
		assert.equal(texts.length, 3);
		assert.equal(texts[0], 'first = 1');
		assert.match(texts[1] ?? '', /^# BatchNorm Lens: the BatchNorm layers of a PyTorch module/);
		assert.equal(editor.notebook.cellAt(1).document.languageId, 'python');
		await until('the selection', () => editor.selection.start === 1);
	});

	it('write the path of a model relative to the notebook', async () => {
		const model = await folder.write('beside.onnx', smallModel());
		const editor = await openNotebook('empty.ipynb');
		await vscode.commands.executeCommand('batchnormLens.insertNotebookCell', 'onnx', model);
		assert.match(editor.notebook.cellAt(0).document.getText(), /batchnorm_lens\("beside\.onnx"\)/);
	});

	it('save a report as a notebook with our output and a text fallback', async () => {
		const document = await openModel(await folder.write('saved.onnx', smallModel('saved')));
		await until('verdicts', () => document.session.report?.run.status === 'ok');
		const target = vscode.Uri.joinPath(folder.uri, 'saved.report.ipynb');
		await writeNotebook(document, target);
		const notebook = await vscode.workspace.openNotebookDocument(target);
		const [text, report] = notebook.getCells();
		assert.equal(text?.kind, vscode.NotebookCellKind.Markup);
		const items = report?.outputs[0]?.items ?? [];
		assert.deepEqual(items.map(({ mime }) => mime).sort(), [MIME_TYPE, 'text/html', 'text/plain'].sort());
		const data = items.find(({ mime }) => mime === MIME_TYPE)?.data;
		const payload = parsePayload(JSON.parse(new TextDecoder().decode(data)));
		assert.equal(payload.kind === 'report' && payload.report.layers[0]?.name, 'saved');
		assert.ok((await readFile(target.fsPath, 'utf8')).endsWith('\n'));
	});
});
