import path from 'node:path';
import * as vscode from 'vscode';
import { toNotebook } from '../../core/report/export/notebook.js';
import type { ModelDocument } from '../model/model-document.js';
import { modelFiles } from '../model/model-files.js';
import { UserError } from '../shared/describe-error.js';
import { freeName } from '../shared/free-name.js';
import { pickOne } from '../shared/messages.js';
import { writeFile } from '../shared/write-file.js';
import { reportOf, siblingOf } from './exports.js';
import { CELL_KINDS, type CellKind, pathInNotebook, withModelPath, withProgram } from './notebook-cells.js';

/**
 * Inserts a cell that shows BatchNorm layers below the selected cell.
 * @param cells Folder of the cells.
 * @param kind Kind of the cell, for example from a key binding. The user chooses if it is missing or unknown.
 * @param model Model of a cell of kind "onnx" or "compare". The user chooses if it is missing.
 */
export async function insertCell(cells: vscode.Uri, kind?: unknown, model?: unknown): Promise<void> {
	const editor = vscode.window.activeNotebookEditor;
	if (!editor) {
		throw new UserError(vscode.l10n.t('Open a notebook and choose a cell first.'));
	}
	const chosen = CELL_KINDS.find((known) => known === kind) ?? (await pickKind());
	const source = chosen && (await cellSource(cells, chosen, { notebook: editor.notebook, model }));
	if (source === undefined) {
		return;
	}
	const { notebook } = editor;
	const index = notebook.cellCount === 0 ? 0 : editor.selection.end;
	const cell = new vscode.NotebookCellData(vscode.NotebookCellKind.Code, source, 'python');
	const edit = new vscode.WorkspaceEdit();
	edit.set(notebook.uri, [vscode.NotebookEdit.insertCells(index, [cell])]);
	if (!(await vscode.workspace.applyEdit(edit))) {
		throw new UserError(vscode.l10n.t('The notebook cannot be changed.'));
	}
	editor.selection = new vscode.NotebookRange(index, index + 1);
	editor.revealRange(editor.selection);
}

/** Lets the user choose a file, writes the report to it as a notebook, and opens it. */
export async function saveReportAsNotebook(document: ModelDocument): Promise<void> {
	reportOf(document);
	const target = await vscode.window.showSaveDialog({
		title: vscode.l10n.t('Save the report as a notebook'),
		defaultUri: await freeName(siblingOf(document.uri, 'ipynb')),
		filters: { [vscode.l10n.t('Notebook')]: ['ipynb'] },
	});
	if (target) {
		await writeNotebook(document, target);
		await vscode.window.showNotebookDocument(await vscode.workspace.openNotebookDocument(target));
	}
}

/** @throws {UserError} if there is no report yet. */
export async function writeNotebook(document: ModelDocument, target: vscode.Uri): Promise<void> {
	await writeFile(target, toNotebook(reportOf(document)), await modelFiles(document.uri));
}

async function pickKind(): Promise<CellKind | undefined> {
	const { t } = vscode.l10n;
	const items: readonly (vscode.QuickPickItem & { readonly cell: CellKind })[] = [
		{
			cell: 'pytorch',
			label: t('PyTorch module'),
			detail: t('Parameters straight from the layers of a torch.nn.Module'),
		},
		{ cell: 'keras', label: t('Keras model'), detail: t('Parameters straight from the layers of a keras.Model') },
		{
			cell: 'compare',
			label: t('PyTorch module against an ONNX file…'),
			detail: t('Did the parameters of the module arrive in the exported file?'),
		},
		{
			cell: 'reestimate',
			label: t('Re-estimate statistics with Dask…'),
			detail: t('Running statistics of an ONNX file from a data set in parts, on the workers of a cluster'),
		},
		{ cell: 'onnx', label: t('ONNX file…'), detail: t('A file that the extension runs and checks') },
	];
	return (await pickOne(items, { title: t('Show BatchNorm layers of') }))?.cell;
}

/** Returns undefined if the user cancels. */
async function cellSource(
	cells: vscode.Uri,
	kind: CellKind,
	{ notebook, model }: { readonly notebook: vscode.NotebookDocument; readonly model: unknown },
): Promise<string | undefined> {
	const bytes = await vscode.workspace.fs.readFile(vscode.Uri.joinPath(cells, `${kind}.py`));
	const source = new TextDecoder().decode(bytes).trimEnd();
	if (kind === 'pytorch' || kind === 'keras') {
		return source;
	}
	const uri = model instanceof vscode.Uri ? model : await pickModel(notebook.uri);
	const commandLine = [process.execPath, vscode.Uri.joinPath(cells, '..', '..', 'dist', 'cli.js').fsPath];
	return uri && withProgram(withModelPath(source, modelPath(notebook, uri)), commandLine);
}

async function pickModel(notebook: vscode.Uri): Promise<vscode.Uri | undefined> {
	const picked = await vscode.window.showOpenDialog({
		title: vscode.l10n.t('The model to show'),
		...(notebook.scheme === 'file' ? { defaultUri: vscode.Uri.joinPath(notebook, '..') } : {}),
		filters: { [vscode.l10n.t('ONNX models')]: ['onnx'] },
	});
	return picked?.[0];
}

function modelPath({ uri, isUntitled }: vscode.NotebookDocument, model: vscode.Uri): string {
	const beside = !isUntitled && uri.scheme === 'file' && model.scheme === 'file';
	return pathInNotebook(model.fsPath, beside ? path.relative(path.dirname(uri.fsPath), model.fsPath) : undefined);
}
