import * as vscode from 'vscode';
import { EXTENSIONS, type ExportFormat, type ExportOptions, FORMATS } from '../../core/report/export/index.js';
import { readPageParts } from '../../platform/page-parts.js';
import { freeName } from './free-name.js';
import { pickOne, showMessage } from './messages.js';

/** Properties of the extension that exports need. */
export interface ExportSource {
	/** Folder of the bundles. */
	readonly dist: string;
	readonly version: string;
}

export interface ExportDialog {
	/** Title of the list of formats. */
	readonly formats: string;
	/** Title of the dialog for the file. */
	readonly files: string;
	/** Content of each format, in words. */
	readonly details: Readonly<Record<ExportFormat, string>>;
	/** Suggested file. @param extension without the dot */
	readonly suggest: (extension: string) => vscode.Uri;
	readonly write: (target: vscode.Uri, format: ExportFormat) => Promise<void>;
}

/** Lets the user choose a format and a file, writes the file, and offers to open it. */
export async function exportWithDialog({ formats, files, details, suggest, write }: ExportDialog): Promise<void> {
	const names = formatNames();
	const items = FORMATS.map((format) => ({ label: names[format], detail: details[format], format }));
	const format = (await pickOne(items, { title: formats }))?.format;
	if (!format) {
		return;
	}
	const target = await vscode.window.showSaveDialog({
		title: files,
		defaultUri: await freeName(suggest(EXTENSIONS[format])),
		filters: { [names[format]]: [EXTENSIONS[format]] },
	});
	if (target) {
		await write(target, format);
		await offerToOpen(target, format);
	}
}

/** @param model the model that findings concern */
export function exportOptions(model: vscode.Uri, { dist, version }: ExportSource): ExportOptions {
	return { version, uri: uriReference(model), failOn: 'error', pageParts: () => readPageParts(dist) };
}

function formatNames(): Readonly<Record<ExportFormat, string>> {
	const { t } = vscode.l10n;
	return {
		html: t('Web page'),
		markdown: t('Markdown'),
		csv: t('CSV'),
		json: t('JSON'),
		sarif: t('SARIF'),
		junit: t('JUnit XML'),
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
