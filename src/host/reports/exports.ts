import * as vscode from 'vscode';
import { type ExportFormat, exportReport } from '../../core/report/export/index.js';
import type { Report } from '../../core/report/types.js';
import type { ModelDocument } from '../model/model-document.js';
import { modelFiles } from '../model/model-files.js';
import { UserError } from '../shared/describe-error.js';
import { type ExportSource, exportOptions, exportWithDialog } from '../shared/export-file.js';
import { writeFile } from '../shared/write-file.js';

/** Lets the user choose a format and a file, and writes the report to it. */
export async function exportReportOf(document: ModelDocument, source: ExportSource): Promise<void> {
	reportOf(document);
	const { t } = vscode.l10n;
	await exportWithDialog({
		formats: t('Export the report as'),
		files: t('Export the report'),
		details: {
			html: t('One file with tables and plots that any browser opens, without VS Code'),
			markdown: t('Summary, table of layers and findings, for an issue or a wiki'),
			csv: t('One row per channel, for spreadsheets and numpy.genfromtxt'),
			json: t('The whole report, as the command line prints it'),
			sarif: t('The findings, for code scanning'),
			junit: t('One test case per layer, for test reports'),
		},
		suggest: (extension) => siblingOf(document.uri, extension),
		write: (target, format) => writeExport(document, { format, target }, source),
	});
}

/** @throws {UserError} if there is no report yet. */
export async function writeExport(
	document: ModelDocument,
	{ format, target }: { readonly format: ExportFormat; readonly target: vscode.Uri },
	source: ExportSource,
): Promise<void> {
	const text = await exportReport(reportOf(document), format, exportOptions(document.uri, source));
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
