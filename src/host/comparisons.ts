import * as vscode from 'vscode';
import type { Comparison } from '../core/report/comparison.js';
import type { RequestHooks } from '../engine/client.js';
import { ComparisonPanel } from './comparison-panel.js';
import { ComparisonSession } from './comparison-session.js';
import { locateModel } from './load-model.js';
import type { HostServices } from './model-document.js';
import { readSettings } from './settings.js';

export const COMPARISON_VIEW_TYPE = 'batchnormLens.comparison';

export interface ModelPair {
	readonly original: vscode.Uri;
	readonly deployed: vscode.Uri;
}

/** The comparisons that are open, each in a tab of its own. */
export class Comparisons implements vscode.Disposable {
	private readonly services: HostServices;
	private readonly extension: vscode.Uri;
	private readonly open = new Map<vscode.WebviewPanel, ComparisonSession>();

	constructor(services: HostServices, extension: vscode.Uri) {
		this.services = services;
		this.extension = extension;
	}

	get sessions(): readonly ComparisonSession[] {
		return [...this.open.values()];
	}

	/** Opens a tab and compares; resolves when there is something to see in it. */
	async show(pair: ModelPair): Promise<void> {
		const { log } = this.services;
		const title = `${baseName(pair.original)} → ${baseName(pair.deployed)}`;
		const panel = vscode.window.createWebviewPanel(COMPARISON_VIEW_TYPE, title, vscode.ViewColumn.Active, {
			enableFindWidget: true,
		});
		const session = new ComparisonSession({
			compare: (swapped, hooks) => this.compare(swapped ? exchanged(pair) : pair, hooks),
			log: (line) => log.error(line),
		});
		const page = new ComparisonPanel({ panel, session, extension: this.extension, model: pair.deployed, log });
		this.open.set(panel, session);
		panel.onDidDispose(() => {
			this.open.delete(panel);
			page.dispose();
			session.dispose();
		});
		await session.run();
	}

	dispose(): void {
		for (const panel of [...this.open.keys()]) {
			panel.dispose();
		}
	}

	/** Running hands the files to native code: only with the user's trust in where they come from. */
	private async compare({ original, deployed }: ModelPair, hooks: RequestHooks): Promise<Comparison> {
		const { batch, seed } = readSettings(original);
		const run = vscode.workspace.isTrusted;
		const models = { original: await locateModel(original), deployed: await locateModel(deployed) };
		const comparison = await this.services.engine.compare(models, { run, batch, seed }, hooks);
		const reason = vscode.l10n.t('The models were not run because this workspace is not trusted.');
		return run ? comparison : { ...comparison, outputs: { status: 'skipped', reason } };
	}
}

function exchanged({ original, deployed }: ModelPair): ModelPair {
	return { original: deployed, deployed: original };
}

export function baseName(uri: vscode.Uri): string {
	return uri.path.slice(uri.path.lastIndexOf('/') + 1);
}
