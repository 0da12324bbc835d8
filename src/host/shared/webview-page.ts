import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import { messageOf } from '../../core/text/sentences.js';
import { pack } from '../../protocol/packing.js';
import type { HostToPage, PageToHost } from '../../protocol/page.js';
import { parsePageMessage } from './page-message.js';
import { plotlyMessage } from './plotly-script.js';
import { reportErrors } from './report-errors.js';
import { saveImage } from './save-image.js';
import { brokenPageHtml, pageHtml } from './webview-html.js';

/** @template Own Type of the messages that only this kind of page sends. */
export interface WebviewPageOptions<Own> {
	readonly panel: vscode.WebviewPanel;
	/** The extension's folder. */
	readonly extension: vscode.Uri;
	readonly log: vscode.LogOutputChannel;
	/** Name of the bundle in dist/. */
	readonly script: string;
	/** Names of the style sheets in media/. */
	readonly styles: readonly string[];
	/** Title for assistive technology. */
	readonly title: string;
	/** Model of the page. Images are offered to be saved in its folder. */
	readonly model: () => vscode.Uri;
	/** Parses a message of this page; undefined for every other value. */
	readonly parse: (value: unknown) => Own | undefined;
	/** Handles a message of this kind of page. A rejection is shown to the user. */
	readonly handle: (message: Own) => unknown;
	/**
	 * True if the owner sends the page its state at once. VS Code keeps the messages until the page has loaded, so that the
	 * first content does not wait for `ready` to arrive here.
	 */
	readonly isFilledAtOnce?: boolean;
	/** Sends the page its whole state. Called each time that a page without content begins to listen. */
	readonly onReady: () => void;
	/** Called on hiding. VS Code discards a hidden page. */
	readonly onHidden?: () => void;
	readonly onMark?: (name: Extract<PageToHost, { type: 'mark' }>['name']) => void;
	readonly cancel: () => void;
}

/** A page in a webview. Handles the messages that both kinds of page send and passes on all other messages. */
export class WebviewPage<Sent, Own> implements vscode.Disposable {
	readonly #options: WebviewPageOptions<Own>;
	readonly #disposables: readonly vscode.Disposable[];
	#isListening = false;
	/** True until the first `ready` of a page that was filled at once. */
	#isFirstLoad: boolean;

	constructor(options: WebviewPageOptions<Own>) {
		this.#options = options;
		const { panel, onHidden, isFilledAtOnce = false } = options;
		this.#isFirstLoad = isFilledAtOnce;
		this.#isListening = isFilledAtOnce;
		this.#disposables = [
			panel.onDidChangeViewState(() => {
				if (!panel.visible) {
					this.#isListening = false;
					this.#isFirstLoad = false;
					onHidden?.();
				}
			}),
			panel.webview.onDidReceiveMessage((value) => this.#receive(value)),
		];
		this.#load();
	}

	/** True from the page's message `ready`, or from the start of a page filled at once, until the page is hidden. */
	get isListening(): boolean {
		return this.#isListening;
	}

	/** Sends a message; resolves when it has arrived. Never rejects. */
	async post(message: Sent | HostToPage): Promise<void> {
		// A rejection means that the page was closed.
		await this.#options.panel.webview.postMessage(pack(message)).then(undefined, () => {});
	}

	dispose(): void {
		vscode.Disposable.from(...this.#disposables).dispose();
	}

	#load(): void {
		const { panel, extension, log, script, styles, title } = this.#options;
		const { webview } = panel;
		const read = (folder: 'dist' | 'media', name: string) =>
			readFileSync(path.join(extension.fsPath, folder, name), 'utf8');
		webview.options = { enableScripts: true, localResourceRoots: [] };
		try {
			webview.html = pageHtml({
				nonce: randomBytes(18).toString('base64'),
				script: read('dist', script),
				styles: styles.map((name) => read('media', name)),
				title,
			});
		} catch (error) {
			const reason = `The extension is not complete: ${messageOf(error)}`;
			log.error(reason);
			webview.html = brokenPageHtml(`${reason}. Install BatchNorm Lens again.`);
		}
	}

	#receive(value: unknown): void {
		const { log, parse, handle } = this.#options;
		const shared = parsePageMessage(value);
		const own = shared ? undefined : parse(value);
		if (shared) {
			reportErrors(log, () => this.#handle(shared));
		} else if (own !== undefined) {
			reportErrors(log, () => handle(own));
		} else {
			log.warn('A page sent a message that is not part of the protocol; it was ignored.');
		}
	}

	async #handle(message: PageToHost): Promise<void> {
		const { extension, log, title, model, onReady, onMark, cancel } = this.#options;
		switch (message.type) {
			case 'ready':
				if (this.#isFirstLoad) {
					this.#isFirstLoad = false;
					return;
				}
				this.#isListening = true;
				return onReady();
			case 'cancel':
				return cancel();
			case 'save-image':
				return saveImage(model(), message);
			case 'get-plotly':
				return this.post(await plotlyMessage(extension, log));
			case 'show-log':
				return log.show();
			case 'error':
				return log.error(`The page of ${title} failed: ${message.message}`);
			case 'mark':
				onMark?.(message.name);
				return log.info(`${message.name} shown ${Math.round(message.milliseconds)} ms after the page began to load`);
			default:
				message satisfies never;
		}
	}
}
