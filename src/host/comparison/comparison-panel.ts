import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import type { ComparisonToHost, HostToComparison } from '../../protocol/host-comparison.js';
import { pack } from '../../protocol/packing.js';
import { saveImage } from '../model/model-panel.js';
import { plotlyMessage } from '../shared/plotly-script.js';
import { reportErrors } from '../shared/report-errors.js';
import { pageHtml } from '../shared/webview-html.js';
import { parseComparisonMessage } from './comparison-message.js';
import type { ComparisonSession } from './comparison-session.js';
import type { ModelPair } from './model-pair.js';

const STYLES = ['theme.css', 'page.css', 'comparison.css', 'plotly.css'];

export interface ComparisonPanelOptions {
	readonly panel: vscode.WebviewPanel;
	readonly session: ComparisonSession;
	/** The extension's folder. */
	readonly extension: vscode.Uri;
	/** The models in their roles, as they were given or exchanged. */
	readonly pair: (swapped: boolean) => ModelPair;
	readonly log: vscode.LogOutputChannel;
}

/** Connects a tab to a comparison: tells the page every change, does what the page asks for. */
export class ComparisonPanel implements vscode.Disposable {
	private readonly options: ComparisonPanelOptions;
	private readonly disposables: vscode.Disposable[];
	/** False until the page says that it is ready, and again while it is hidden: then there is no page at all. */
	private listening = false;

	constructor(options: ComparisonPanelOptions) {
		this.options = options;
		const { panel, session } = options;
		this.disposables = [
			{ dispose: session.onMessage((message) => this.listening && this.post(message)) },
			panel.onDidChangeViewState(() => {
				this.listening &&= panel.visible;
			}),
			panel.webview.onDidReceiveMessage((value) => this.receive(value)),
		];
		this.fill();
	}

	dispose(): void {
		vscode.Disposable.from(...this.disposables).dispose();
	}

	private fill(): void {
		const { panel, extension } = this.options;
		const { webview } = panel;
		const [dist, media] = ['dist', 'media'].map((folder) => vscode.Uri.joinPath(extension, folder)) as [
			vscode.Uri,
			vscode.Uri,
		];
		const resource = (folder: vscode.Uri, name: string) =>
			webview.asWebviewUri(vscode.Uri.joinPath(folder, name)).toString();
		webview.options = { enableScripts: true, localResourceRoots: [dist, media] };
		webview.html = pageHtml({
			cspSource: webview.cspSource,
			nonce: randomBytes(18).toString('base64'),
			script: resource(dist, 'comparison.js'),
			styles: STYLES.map((name) => resource(media, name)),
			title: panel.title,
		});
	}

	private post(message: HostToComparison): void {
		// A rejection means that the page is gone.
		this.options.panel.webview.postMessage(pack(message)).then(undefined, () => {});
	}

	private receive(value: unknown): void {
		const { log } = this.options;
		const message = parseComparisonMessage(value);
		if (message) {
			reportErrors(log, () => this.handle(message));
		} else {
			log.warn('The page of a comparison sent a message that is not part of the protocol; it was ignored.');
		}
	}

	/** What the page keeps for the next window: which models it is about. */
	private postPair(): void {
		const { session, pair } = this.options;
		const { original, deployed } = pair(session.swapped);
		this.post({ type: 'pair', pair: { original: original.toString(), deployed: deployed.toString() } });
	}

	private async handle(message: ComparisonToHost): Promise<void> {
		const { session, pair, log, panel } = this.options;
		switch (message.type) {
			case 'ready':
				this.listening = true;
				this.postPair();
				for (const known of session.snapshot()) {
					this.post(known);
				}
				return;
			case 'cancel':
				return session.cancel();
			case 'compare': {
				const done = session.run(message.order);
				this.postPair();
				return done;
			}
			case 'save-image':
				return saveImage(pair(session.swapped).deployed, message);
			case 'get-plotly':
				return this.post(await plotlyMessage(this.options.extension, log));
			case 'show-log':
				return log.show();
			case 'error':
				return log.error(`The page of ${panel.title} failed: ${message.message}`);
			case 'mark':
				return log.info(`${message.name} shown ${Math.round(message.milliseconds)} ms after the page began to load`);
			default:
				message satisfies never;
		}
	}
}
