import * as vscode from 'vscode';
import type { HostToComparison } from '../../protocol/host-comparison.js';
import { WebviewPage } from '../shared/webview-page.js';
import { type ComparisonPageMessage, parseComparisonMessage } from './comparison-message.js';
import type { ComparisonSession } from './comparison-session.js';
import type { ModelPair } from './model-pair.js';

export interface ComparisonPanelOptions {
	readonly panel: vscode.WebviewPanel;
	readonly session: ComparisonSession;
	/** The extension's folder. */
	readonly extension: vscode.Uri;
	/** Returns the models in their present roles. */
	readonly pair: () => ModelPair;
	readonly log: vscode.LogOutputChannel;
}

/** Connects the page in a tab to a comparison. Sends the page every change and handles its requests. */
export class ComparisonPanel implements vscode.Disposable {
	readonly #options: ComparisonPanelOptions;
	readonly #page: WebviewPage<HostToComparison, ComparisonPageMessage>;
	readonly #disposables: readonly vscode.Disposable[];

	constructor(options: ComparisonPanelOptions) {
		this.#options = options;
		const { panel, session, extension, pair, log } = options;
		const repair = async () => {
			await vscode.commands.executeCommand('batchnormLens.repair');
		};
		this.#page = new WebviewPage({
			panel,
			extension,
			log,
			script: 'comparison.js',
			styles: ['theme.css', 'page.css', 'comparison.css', 'plotly.css'],
			title: panel.title,
			model: () => pair().deployed,
			parse: parseComparisonMessage,
			handle: (message) => (message.type === 'repair' ? repair() : this.compare(message.order)),
			onReady: () => {
				this.#postPair();
				for (const message of session.snapshot()) {
					void this.#page.post(message);
				}
			},
			cancel: () => session.cancel(),
		});
		this.#disposables = [
			this.#page,
			{ dispose: session.onMessage((message) => this.#page.isListening && void this.#page.post(message)) },
		];
	}

	/** Compares again, and sends the page the roles of the models. */
	compare(order: 'same' | 'swapped'): Promise<void> {
		const done = this.#options.session.run(order);
		this.#postPair();
		return done;
	}

	dispose(): void {
		vscode.Disposable.from(...this.#disposables).dispose();
	}

	/** Sends the pair of models, which the page stores for the next window. */
	#postPair(): void {
		const { original, deployed } = this.#options.pair();
		void this.#page.post({ type: 'pair', pair: { original: original.toString(), deployed: deployed.toString() } });
	}
}
