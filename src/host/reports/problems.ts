import * as vscode from 'vscode';
import type { Severity } from '../../core/report/severity.js';
import type { ModelDocument } from '../model/model-document.js';
import { readSettings } from '../shared/settings.js';
import type { OpenReports } from './open-reports.js';
import { type Problem, problemsOf } from './problem-list.js';

const SEVERITIES: Readonly<Record<Severity, vscode.DiagnosticSeverity>> = {
	error: vscode.DiagnosticSeverity.Error,
	warning: vscode.DiagnosticSeverity.Warning,
	info: vscode.DiagnosticSeverity.Information,
};

/** Position of all problems, because a binary file has no lines. */
const WHOLE_FILE = new vscode.Range(0, 0, 0, 0);

/** Puts the findings of open models into the Problems panel. */
export class Problems implements vscode.Disposable {
	readonly #diagnostics = vscode.languages.createDiagnosticCollection('batchnorm-lens');
	readonly #disposables: vscode.Disposable[];

	constructor(reports: OpenReports) {
		this.#disposables = [
			reports.onDidChange((document) => this.#update(document)),
			reports.onDidClose(({ uri }) => this.#diagnostics.delete(uri)),
			vscode.workspace.onDidChangeConfiguration((event) => {
				if (event.affectsConfiguration('batchnormLens.problems')) {
					for (const document of reports.editors.documents) {
						this.#update(document);
					}
				}
			}),
			this.#diagnostics,
		];
	}

	dispose(): void {
		vscode.Disposable.from(...this.#disposables).dispose();
	}

	#update({ uri, session }: ModelDocument): void {
		const problems = session.report && readSettings(uri).problems ? problemsOf(session.report) : [];
		this.#diagnostics.set(
			uri,
			problems.map((problem) => diagnostic(uri, problem)),
		);
	}
}

function diagnostic(uri: vscode.Uri, { layer, code, severity, message }: Problem): vscode.Diagnostic {
	const row = new vscode.Diagnostic(WHOLE_FILE, message, SEVERITIES[severity]);
	row.source = 'BatchNorm Lens';
	row.code = layer === undefined ? code : { value: code, target: revealLink(uri, layer) };
	return row;
}

/** A click on the code opens the layer. */
export function revealLink(uri: vscode.Uri, layer: string): vscode.Uri {
	const query = JSON.stringify([uri.toString(), layer]);
	return vscode.Uri.from({ scheme: 'command', path: 'batchnormLens.revealLayer', query });
}
