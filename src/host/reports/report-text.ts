import * as vscode from 'vscode';
import { toMarkdown } from '../../core/report/export/markdown.js';
import { alignTables } from '../../core/report/export/text/aligned-tables.js';
import { visible } from '../../core/text/names.js';
import type { ModelDocument } from '../model/model-document.js';
import type { OpenReports } from './open-reports.js';

export const REPORT_SCHEME = 'batchnorm-lens-report';

/** Reports of open models as read-only documents to search and copy. */
export class ReportText implements vscode.TextDocumentContentProvider, vscode.Disposable {
	readonly #reports: OpenReports;
	readonly #changed = new vscode.EventEmitter<vscode.Uri>();
	readonly onDidChange = this.#changed.event;
	readonly #disposables: vscode.Disposable[];

	constructor(reports: OpenReports) {
		this.#reports = reports;
		this.#disposables = [
			reports.onDidChange(({ uri }) => this.#changed.fire(textUri(uri))),
			vscode.workspace.registerTextDocumentContentProvider(REPORT_SCHEME, this),
			this.#changed,
		];
	}

	provideTextDocumentContent(uri: vscode.Uri): string {
		const model = vscode.Uri.parse(uri.query);
		const session = this.#reports.find(model)?.session;
		if (session?.report) {
			return alignTables(toMarkdown(session.report));
		}
		const name = vscode.workspace.asRelativePath(model);
		return visible(session?.problem ?? vscode.l10n.t('Open {0} with BatchNorm Lens to see its report here.', name));
	}

	/** Opens the report in a permanent tab. */
	async show({ uri }: ModelDocument): Promise<void> {
		const document = await vscode.workspace.openTextDocument(textUri(uri));
		await vscode.window.showTextDocument(document, { preview: false });
	}

	dispose(): void {
		vscode.Disposable.from(...this.#disposables).dispose();
	}
}

/**
 * The ending makes VS Code treat the document as Markdown. The query distinguishes models with the same path on
 * different file systems.
 */
function textUri(model: vscode.Uri): vscode.Uri {
	return vscode.Uri.from({ scheme: REPORT_SCHEME, path: `${model.path}.md`, query: model.toString() });
}
