import * as vscode from 'vscode';
import { toMarkdown } from '../../core/report/export/markdown.js';
import { visible } from '../../core/text/names.js';
import type { ModelDocument } from '../model/model-document.js';
import type { OpenReports } from './open-reports.js';

export const REPORT_SCHEME = 'batchnorm-lens-report';

/** The report of an open model as a read-only document: for screen readers, searching, copying and comparing. */
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
			return toMarkdown(session.report);
		}
		const name = vscode.workspace.asRelativePath(model);
		return visible(session?.problem ?? vscode.l10n.t('Open {0} with BatchNorm Lens to see its report here.', name));
	}

	/** Opens it beside nothing in particular, as a tab that stays. */
	async show({ uri }: ModelDocument): Promise<void> {
		const document = await vscode.workspace.openTextDocument(textUri(uri));
		await vscode.window.showTextDocument(document, { preview: false });
	}

	dispose(): void {
		vscode.Disposable.from(...this.#disposables).dispose();
	}
}

/** The ending makes it Markdown to VS Code; the query tells two models of one path on different systems apart. */
function textUri(model: vscode.Uri): vscode.Uri {
	return vscode.Uri.from({ scheme: REPORT_SCHEME, path: `${model.path}.md`, query: model.toString() });
}
