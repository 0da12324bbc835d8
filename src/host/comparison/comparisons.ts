import * as vscode from 'vscode';
import type { HostServices } from '../model/model-document.js';
import type { ComparisonSession } from './comparison-session.js';
import { type ModelPair, storedPair } from './model-pair.js';
import { OpenComparison } from './open-comparison.js';

export const COMPARISON_VIEW_TYPE = 'batchnormLens.comparison';

/** The open comparisons, each in its own tab, including tabs restored from the last window. */
export class Comparisons implements vscode.WebviewPanelSerializer, vscode.Disposable {
	readonly #services: HostServices;
	readonly #extension: vscode.Uri;
	readonly #open = new Map<vscode.WebviewPanel, OpenComparison>();
	readonly #registration: vscode.Disposable;

	constructor(services: HostServices, extension: vscode.Uri) {
		this.#services = services;
		this.#extension = extension;
		this.#registration = vscode.window.registerWebviewPanelSerializer(COMPARISON_VIEW_TYPE, this);
	}

	get sessions(): readonly ComparisonSession[] {
		return Array.from(this.#open.values(), ({ session }) => session);
	}

	/** The comparison in the active tab. */
	get active(): OpenComparison | undefined {
		return [...this.#open].find(([panel]) => panel.active)?.[1];
	}

	/** Opens a tab and compares the models; resolves after the comparison. */
	async show(pair: ModelPair): Promise<void> {
		const title = `${baseName(pair.original)} → ${baseName(pair.deployed)}`;
		const panel = vscode.window.createWebviewPanel(COMPARISON_VIEW_TYPE, title, vscode.ViewColumn.Active, {
			enableFindWidget: true,
		});
		await this.#fill(panel, pair);
	}

	/** Restores a tab of the last window. Compares the current files; the page keeps its selection. */
	async deserializeWebviewPanel(panel: vscode.WebviewPanel, state: unknown): Promise<void> {
		const stored = storedPair(state);
		if (!stored) {
			// The window closed before the page stored its models.
			panel.dispose();
			return;
		}
		const pair = { original: vscode.Uri.parse(stored.original), deployed: vscode.Uri.parse(stored.deployed) };
		// Not awaited: VS Code shows the restored tab after this return.
		void this.#fill(panel, pair);
	}

	dispose(): void {
		this.#registration.dispose();
		for (const panel of [...this.#open.keys()]) {
			panel.dispose();
		}
	}

	#fill(panel: vscode.WebviewPanel, pair: ModelPair): Promise<void> {
		const comparison = new OpenComparison({ panel, pair, services: this.#services, extension: this.#extension });
		this.#open.set(panel, comparison);
		panel.onDidDispose(() => {
			this.#open.delete(panel);
			comparison.dispose();
		});
		return comparison.start();
	}
}

export function baseName(uri: vscode.Uri): string {
	return uri.path.slice(uri.path.lastIndexOf('/') + 1);
}
