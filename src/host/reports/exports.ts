import * as vscode from 'vscode';
import { EXTENSIONS, type ExportFormat, exportReport, FORMATS } from '../../core/report/export/index.js';
import type { Report } from '../../core/report/types.js';
import { readPageParts } from '../../platform/page-parts.js';
import type { ModelDocument } from '../model/model-document.js';
import { modelFiles } from '../model/model-files.js';
import { UserError } from '../shared/describe-error.js';
import { pickOne, showMessage } from '../shared/messages.js';
import { writeFile } from '../shared/write-file.js';

/** Properties of the extension that exports need. */
export interface ExportSource {
	/** Folder of the bundles. */
	readonly dist: string;
	readonly version: string;
}

/** Lets the user choose a format and a file, and writes the report to it. */
export async function exportWithDialog(document: ModelDocument, source: ExportSource): Promise<void> {
	reportOf(document);
	const format = await pickFormat();
	if (!format) {
		return;
	}
	const target = await vscode.window.showSaveDialog({
		title: vscode.l10n.t('Export the report'),
		defaultUri: siblingOf(document.uri, EXTENSIONS[format]),
		filters: { [formatNames()[format].label]: [EXTENSIONS[format]] },
	});
	if (target) {
		await writeExport(document, { format, target }, source);
		await offerToOpen(target, format);
	}
}

/** @throws {UserError} if there is no report yet. */
export async function writeExport(
	document: ModelDocument,
	{ format, target }: { readonly format: ExportFormat; readonly target: vscode.Uri },
	{ dist, version }: ExportSource,
): Promise<void> {
	const text = await exportReport(reportOf(document), format, {
		version,
		uri: uriReference(document.uri),
		failOn: 'error',
		pageParts: () => readPageParts(dist),
	});
	await writeFile(target, text, await modelFiles(document.uri));
}

/** @throws {UserError} if the model has no report. */
export function reportOf({ session, uri }: ModelDocument): Report {
	if (!session.report) {
		const name = vscode.workspace.asRelativePath(uri);
		throw new UserError(session.problem ?? vscode.l10n.t('{0} is still being read. Try again in a moment.', name));
	}
	return session.report;
}

/** Maps "net.onnx" to "net.report.csv" in the same folder. */
export function siblingOf(model: vscode.Uri, extension: string): vscode.Uri {
	const name = (model.path.split('/').at(-1) ?? 'model').replace(/\.onnx$/i, '');
	return vscode.Uri.joinPath(model, '..', `${name}.report.${extension}`);
}

async function pickFormat(): Promise<ExportFormat | undefined> {
	const names = formatNames();
	const items = FORMATS.map((format) => ({ ...names[format], format }));
	const title = vscode.l10n.t('Export the report as');
	return (await pickOne(items, { title }))?.format;
}

function formatNames(): Readonly<Record<ExportFormat, { readonly label: string; readonly detail: string }>> {
	const { t } = vscode.l10n;
	return {
		html: { label: t('Web page'), detail: t('One file with tables and plots that any browser opens, without VS Code') },
		markdown: { label: t('Markdown'), detail: t('Summary, table of layers and findings, for an issue or a wiki') },
		csv: { label: t('CSV'), detail: t('One row per channel, for spreadsheets and numpy.genfromtxt') },
		json: { label: t('JSON'), detail: t('The whole report, as the command line prints it') },
		sarif: { label: t('SARIF'), detail: t('The findings, for code scanning') },
		junit: { label: t('JUnit XML'), detail: t('One test case per layer, for test reports') },
	};
}

/** Offers to open the exported file. */
async function offerToOpen(target: vscode.Uri, format: ExportFormat): Promise<void> {
	const open = vscode.l10n.t('Open');
	const name = vscode.workspace.asRelativePath(target);
	const choice = await showMessage('information', vscode.l10n.t('{0} was written.', name), open);
	if (choice === open && format === 'html') {
		await vscode.env.openExternal(target);
	} else if (choice === open) {
		await vscode.commands.executeCommand('vscode.open', target);
	}
}

/** Returns a path relative to the workspace for a model in it, so that it is valid on other machines. */
function uriReference(model: vscode.Uri): string {
	const relative = vscode.workspace.asRelativePath(model, false);
	return relative === model.fsPath || relative === model.path
		? model.toString()
		: relative.split('/').map(encodeURIComponent).join('/');
}
