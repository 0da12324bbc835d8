import * as vscode from 'vscode';
import { encodeReport, type JsonObject } from '../../core/report/json.js';
import { endRun, interruptedRun } from '../../core/report/update.js';
import type { HostToNotebook, NotebookToHost } from '../../protocol/host-notebook.js';
import { inspectModel, loadModel } from '../model/load-model.js';
import { type HostServices, trustRefusal } from '../model/model-document.js';
import { NO_PLAN } from '../model/run-plan.js';
import { describeError, UserError } from '../shared/describe-error.js';
import { classifyNotebookPath, parseNotebookMessage } from './notebook-message.js';

/** Maximum number of cached inspections. Scrolling redraws outputs. */
const MAX_CACHED = 16;

/** Inspects the models that notebook outputs name and answers their renderers. */
export class NotebookInspector implements vscode.Disposable {
	readonly #services: HostServices;
	readonly #messaging: vscode.NotebookRendererMessaging;
	readonly #subscription: vscode.Disposable;
	readonly #abort = new AbortController();
	/** Inspections by URI, time, size and trust; oldest first. */
	readonly #cache = new Map<string, Promise<JsonObject>>();

	constructor(services: HostServices, messaging: vscode.NotebookRendererMessaging) {
		this.#services = services;
		this.#messaging = messaging;
		this.#subscription = messaging.onDidReceiveMessage(({ editor, message }) => {
			const request = parseNotebookMessage(message);
			if (request) {
				void this.#answer(editor, request);
			} else {
				services.log.warn('A notebook output sent a message that is not part of the protocol; it was ignored.');
			}
		});
	}

	dispose(): void {
		this.#subscription.dispose();
		this.#abort.abort();
	}

	async #answer(editor: vscode.NotebookEditor, { id, path }: NotebookToHost): Promise<void> {
		const answer = await this.#inspect(editor.notebook, path).then(
			(report): HostToNotebook => ({ type: 'report', id, report }),
			(error: unknown): HostToNotebook => ({ type: 'failure', id, message: describeError(error) }),
		);
		// A rejection means that the editor was closed.
		this.#messaging.postMessage(answer, editor).then(undefined, () => {});
	}

	async #inspect(notebook: vscode.NotebookDocument, path: string): Promise<JsonObject> {
		const uri = resolvePath(notebook, path);
		const refusal = trustRefusal();
		const stat = await vscode.workspace.fs.stat(uri).then(undefined, () => undefined);
		// A file of unknown state is not cached. Reading reports the problem.
		const key = stat && [uri.toString(), stat.mtime, stat.size, refusal ?? ''].join('\n');
		const cached = key === undefined ? undefined : this.#cache.get(key);
		if (cached) {
			return cached;
		}
		const report = this.#inspectFile(uri, refusal);
		if (key !== undefined) {
			this.#remember(key, report);
		}
		return report;
	}

	async #inspectFile(uri: vscode.Uri, refusal: string | undefined): Promise<JsonObject> {
		if (refusal === undefined) {
			return encodeReport(await inspectModel(this.#services.engine, uri, NO_PLAN, { signal: this.#abort.signal }));
		}
		const { report } = await loadModel(uri);
		return encodeReport(endRun(report, interruptedRun(report.run, { status: 'skipped', reason: refusal }), refusal));
	}

	#remember(key: string, report: Promise<JsonObject>): void {
		this.#cache.set(key, report);
		report.catch(() => this.#cache.delete(key));
		for (const oldest of [...this.#cache.keys()].slice(0, -MAX_CACHED)) {
			this.#cache.delete(oldest);
		}
	}
}

function resolvePath(notebook: vscode.NotebookDocument, path: string): vscode.Uri {
	const target = classifyNotebookPath(path);
	if (target.kind === 'refused') {
		throw new UserError(target.reason);
	}
	if (target.kind === 'absolute') {
		return vscode.Uri.file(target.path);
	}
	// An unsaved notebook has no folder, so its paths are relative to the workspace folder.
	const folder = notebook.isUntitled
		? vscode.workspace.workspaceFolders?.[0]?.uri
		: vscode.Uri.joinPath(notebook.uri, '..');
	if (!folder) {
		throw new UserError(vscode.l10n.t('Save the notebook first. {0} is relative to its folder.', path));
	}
	return vscode.Uri.joinPath(folder, target.path);
}
