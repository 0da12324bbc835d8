import * as vscode from 'vscode';
import type { Comparison } from '../../core/report/comparison/comparison.js';
import type { RequestHooks } from '../../engine/client.js';
import { loadModel, locateModel } from '../model/load-model.js';
import type { HostServices } from '../model/model-document.js';
import { ModelWatcher } from '../model/model-watcher.js';
import { readSettings } from '../shared/settings.js';
import { ComparisonPanel } from './comparison-panel.js';
import { ComparisonSession } from './comparison-session.js';
import type { ModelPair } from './model-pair.js';

export interface OpenComparisonOptions {
	readonly panel: vscode.WebviewPanel;
	readonly pair: ModelPair;
	readonly services: HostServices;
	/** The extension's folder. */
	readonly extension: vscode.Uri;
}

/** A pair of models in its own tab. Compares them at once, and again when either file changes. */
export class OpenComparison implements vscode.Disposable {
	readonly session: ComparisonSession;
	readonly #options: OpenComparisonOptions;
	readonly #page: ComparisonPanel;
	readonly #watched: readonly { readonly uri: vscode.Uri; readonly watcher: ModelWatcher }[];
	readonly #disposables: readonly vscode.Disposable[];

	constructor(options: OpenComparisonOptions) {
		this.#options = options;
		const { panel, pair, services, extension } = options;
		const { log } = services;
		this.session = new ComparisonSession({
			compare: (swapped, hooks) => this.#compare(swapped ? exchanged(pair) : pair, hooks),
			log: (line) => log.error(line),
		});
		this.#page = new ComparisonPanel({
			panel,
			session: this.session,
			extension,
			pair: () => this.pair,
			log,
		});
		this.#watched = [pair.original, pair.deployed].map((uri) => ({
			uri,
			watcher: new ModelWatcher(uri, (change) => this.#fileChanged(uri, change)),
		}));
		this.#disposables = [
			this.#page,
			this.session,
			...this.#watched.map(({ watcher }) => watcher),
			vscode.workspace.onDidGrantWorkspaceTrust(() => void this.start()),
		];
	}

	/** Compares the current files. Never rejects. */
	async start(): Promise<void> {
		await Promise.all(this.#watched.map(({ watcher }) => watcher.remember()));
		await Promise.all([this.session.run(), this.#watchExternalFiles()]);
	}

	/** The models in the roles of the last comparison. */
	get pair(): ModelPair {
		const { pair } = this.#options;
		return this.session.swapped ? exchanged(pair) : pair;
	}

	/** Compares again, as before or with the models exchanged. */
	compare(order: 'same' | 'swapped'): Promise<void> {
		return this.#page.compare(order);
	}

	dispose(): void {
		vscode.Disposable.from(...this.#disposables).dispose();
	}

	async #watchExternalFiles(): Promise<void> {
		for (const { uri, watcher } of this.#watched) {
			const model = await loadModel(uri).catch(() => undefined);
			// An unreadable model has no external files; the comparison reports the reason.
			await watcher.setExternalFiles(model?.externalFiles ?? []);
		}
	}

	/** Runs the models only in a trusted workspace, because running passes the files to native code. */
	async #compare({ original, deployed }: ModelPair, hooks: RequestHooks): Promise<Comparison> {
		const { batch, seed } = readSettings(original);
		const run = vscode.workspace.isTrusted;
		const models = { original: await locateModel(original), deployed: await locateModel(deployed) };
		const comparison = await this.#options.services.engine.compare(models, { run, batch, seed }, hooks);
		const reason = vscode.l10n.t('The models were not run because this workspace is not trusted.');
		return run ? comparison : { ...comparison, outputs: { status: 'skipped', reason } };
	}

	#fileChanged(uri: vscode.Uri, change: 'changed' | 'deleted'): void {
		if (change === 'changed') {
			void this.start();
		} else {
			this.session.fail(vscode.l10n.t('{0} was deleted.', vscode.workspace.asRelativePath(uri)));
		}
	}
}

function exchanged({ original, deployed }: ModelPair): ModelPair {
	return { original: deployed, deployed: original };
}
