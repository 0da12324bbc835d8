import * as vscode from 'vscode';
import type { ModelDocument } from '../model/model-document.js';
import { UserError } from '../shared/describe-error.js';
import type { ExportSource } from '../shared/export-file.js';
import { reportErrors } from '../shared/report-errors.js';
import { exportReportOf } from './exports.js';
import { insertCell, saveReportAsNotebook } from './notebook-commands.js';
import type { OpenReports } from './open-reports.js';
import type { ReportText } from './report-text.js';

/** Objects that the commands use. */
export interface ReportParts {
	readonly reports: OpenReports;
	readonly text: ReportText;
	readonly source: ExportSource;
	/** Folder of the notebook cells. */
	readonly cells: vscode.Uri;
	readonly log: vscode.LogOutputChannel;
}

/** Registers the commands that export a report or open a layer. */
export function registerReportCommands({ reports, text, source, cells, log }: ReportParts): vscode.Disposable {
	const register = (name: string, handler: (...args: unknown[]) => unknown) =>
		vscode.commands.registerCommand(`batchnormLens.${name}`, (...args: unknown[]) =>
			reportErrors(log, () => handler(...args)),
		);
	const onCurrent = (action: (document: ModelDocument) => unknown) => () => {
		if (!reports.current) {
			throw new UserError(vscode.l10n.t('Open a model with BatchNorm Lens first.'));
		}
		return action(reports.current);
	};
	return vscode.Disposable.from(
		register('explainAxes', () => explainAxes(reports)),
		register('revealLayer', (model, layer) => revealLayer(reports, model, layer)),
		register(
			'showReportText',
			onCurrent((document) => text.show(document)),
		),
		register(
			'exportReport',
			onCurrent((document) => exportReportOf(document, source)),
		),
		register('saveReportNotebook', onCurrent(saveReportAsNotebook)),
		register('insertNotebookCell', (kind, model) => insertCell(cells, kind, model)),
	);
}

/** Shows over which axes the current model normalizes; lets the user choose a model if none is open. */
async function explainAxes({ current, editors }: OpenReports): Promise<void> {
	const layer = current?.session.report?.layers[(current && editors.chosenLayer(current)) ?? 0];
	if (current && layer) {
		await editors.reveal(current.uri, layer.name, 'axes');
	} else {
		await vscode.commands.executeCommand('batchnormLens.inspect');
	}
}

/** Opens a layer from the tree or from a link in Problems. The arguments of a link are untrusted JSON. */
async function revealLayer(reports: OpenReports, model: unknown, layer: unknown): Promise<void> {
	const uri = typeof model === 'string' ? vscode.Uri.parse(model, true) : model;
	// A checkpoint has no ending of its own, so it must be open.
	const isModel = uri instanceof vscode.Uri && (/\.onnx$/i.test(uri.path) || reports.find(uri) !== undefined);
	if (isModel && typeof layer === 'string') {
		await reports.editors.reveal(uri, layer);
	} else {
		throw new UserError(vscode.l10n.t('Show a layer from the tree of layers or from the Problems panel.'));
	}
}
