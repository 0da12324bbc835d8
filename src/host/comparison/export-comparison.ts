import * as vscode from 'vscode';
import type { Comparison } from '../../core/report/comparison/comparison.js';
import { type ExportFormat, exportComparison } from '../../core/report/export/index.js';
import { modelFiles } from '../model/model-files.js';
import { UserError } from '../shared/describe-error.js';
import { type ExportSource, exportOptions, exportWithDialog } from '../shared/export-file.js';
import { writeFile } from '../shared/write-file.js';
import { baseName } from './comparisons.js';
import type { OpenComparison } from './open-comparison.js';

/** Lets the user choose a format and a file, and writes the comparison of a tab to it. */
export async function exportOpenComparison(open: OpenComparison, source: ExportSource): Promise<void> {
	comparisonOf(open);
	const { t } = vscode.l10n;
	const { original, deployed } = open.pair;
	const stem = (uri: vscode.Uri) => baseName(uri).replace(/\.\w+$/, '');
	await exportWithDialog({
		formats: t('Export the comparison as'),
		files: t('Export the comparison'),
		details: {
			html: t('One file with tables and plots that any browser opens, without VS Code'),
			markdown: t('Summary, table of layers, evidence and advice, for an issue or a wiki'),
			csv: t('One row per layer and per channel, for spreadsheets and numpy.genfromtxt'),
			json: t('The whole comparison, as the command line prints it'),
			sarif: t('The wrong layers, for code scanning'),
			junit: t('One test case per layer, for test reports'),
		},
		suggest: (extension) =>
			vscode.Uri.joinPath(deployed, '..', `${stem(original)}-${stem(deployed)}.comparison.${extension}`),
		write: (target, format) => writeComparison(open, { format, target }, source),
	});
}

/** @throws {UserError} if there is no comparison yet. */
export async function writeComparison(
	open: OpenComparison,
	{ format, target }: { readonly format: ExportFormat; readonly target: vscode.Uri },
	source: ExportSource,
): Promise<void> {
	const { original, deployed } = open.pair;
	const comparison = comparisonOf(open);
	// The engine exchanges models that were given in the wrong order.
	const concerned = [deployed, original].find(({ fsPath }) => fsPath === comparison.deployed.path) ?? deployed;
	const text = await exportComparison(comparison, format, exportOptions(concerned, source));
	await writeFile(target, text, [...(await modelFiles(original)), ...(await modelFiles(deployed))]);
}

/** @throws {UserError} */
function comparisonOf({ session }: OpenComparison): Comparison {
	if (!session.comparison) {
		throw new UserError(
			session.problem ?? vscode.l10n.t('The models are still being compared. Try again in a moment.'),
		);
	}
	return session.comparison;
}
