import * as vscode from 'vscode';
import type { HostToWebview, WebviewToHost } from '../../protocol/host-webview.js';
import { WebviewPage } from '../shared/webview-page.js';
import { pickFiles, pickInputFiles } from './input-files.js';
import { MessageQueue } from './message-queue.js';
import type { ModelDocument } from './model-document.js';
import { type ModelPageMessage, parseModelMessage } from './model-message.js';
import { withFiles } from './run-plan.js';

type SelectMessage = Extract<HostToWebview, { type: 'select' }>;

/** Connects the page in a tab to a model. Sends the page every change and handles its requests. */
export class ModelPanel implements vscode.Disposable {
	readonly #document: ModelDocument;
	readonly #page: WebviewPage<HostToWebview, ModelPageMessage>;
	readonly #queue: MessageQueue;
	readonly #disposables: readonly vscode.Disposable[];
	readonly #chosenEmitter = new vscode.EventEmitter<void>();
	/** Fires when {@link chosen} changes. */
	readonly onDidChoose = this.#chosenEmitter.event;
	#chosenIndex: number | null = null;
	/** Layer to open as soon as the page listens. */
	#layerToSelect: SelectMessage | undefined;

	constructor(
		panel: vscode.WebviewPanel,
		document: ModelDocument,
		extension: vscode.Uri,
		log: vscode.LogOutputChannel,
	) {
		this.#document = document;
		this.#page = new WebviewPage({
			panel,
			extension,
			log,
			script: 'webview.js',
			styles: ['theme.css', 'page.css', 'plotly.css'],
			title: vscode.workspace.asRelativePath(document.uri),
			model: () => document.uri,
			parse: parseModelMessage,
			handle: (message) => this.#handle(message),
			isFilledAtOnce: true,
			onReady: () => this.#sendState(),
			onHidden: () => this.#queue.clear(),
			onMark: (name) => name === 'table' && document.tableShown(),
			cancel: () => document.session.cancel(),
		});
		this.#queue = new MessageQueue((message) => this.#page.post(message));
		const unsubscribe = document.session.onMessage((message) => this.#page.isListening && this.#queue.push(message));
		this.#disposables = [
			this.#page,
			this.#chosenEmitter,
			{ dispose: unsubscribe },
			{ dispose: () => this.#queue.clear() },
		];
		this.#sendState();
	}

	dispose(): void {
		vscode.Disposable.from(...this.#disposables).dispose();
	}

	/** Index in the report of the layer that is open on the page; kept while the page is hidden. */
	get chosen(): number | null {
		return this.#chosenIndex;
	}

	/** Opens a layer on the page, as soon as the page listens. @param part section of the layer to scroll to */
	select(layer: string, part?: SelectMessage['part']): void {
		const message: SelectMessage = { type: 'select', layer, ...(part && { part }) };
		if (this.#page.isListening) {
			this.#queue.push(message);
		} else {
			this.#layerToSelect = message;
		}
	}

	#sendState(): void {
		this.#queue.clear();
		for (const message of this.#document.session.snapshot()) {
			this.#queue.push(message);
		}
		if (this.#layerToSelect !== undefined) {
			this.#queue.push(this.#layerToSelect);
			this.#layerToSelect = undefined;
		}
	}

	async #handle(message: ModelPageMessage): Promise<void> {
		const document = this.#document;
		switch (message.type) {
			case 'run':
				if (message.choices) {
					await document.plan({ ...document.session.plan, choices: message.choices });
				}
				return document.run();
			case 'layer-chosen':
				this.#chosenIndex = message.index;
				return this.#chosenEmitter.fire();
			case 'choose-files':
				return chooseFiles(document, message);
			case 'manage-trust':
				await vscode.commands.executeCommand('workbench.trust.manage');
				return;
			case 'compare':
				await vscode.commands.executeCommand('batchnormLens.compare', document.uri);
				return;
			case 'reestimate':
				await vscode.commands.executeCommand('batchnormLens.reestimate', document.uri);
				return;
			case 'inference':
				await vscode.commands.executeCommand('batchnormLens.saveInference', document.uri);
				return;
			default:
				message satisfies never;
		}
	}
}

/** Runs the model on files that the user picks. Does not run it if the user cancels. */
export async function runWithInput(document: ModelDocument): Promise<void> {
	const { session } = document;
	const names = session.model?.inputs.map(({ name }) => name) ?? [];
	const files = await pickInputFiles(document.uri, names);
	if (files) {
		await document.plan({ ...session.plan, files });
		await document.run();
	}
}

/** Lets the user choose the values of an input for later runs. Starts no run, because the user may choose more. */
async function chooseFiles(
	document: ModelDocument,
	{ input, from }: Extract<WebviewToHost, { type: 'choose-files' }>,
): Promise<void> {
	const { session } = document;
	if (!session.model?.inputs.some(({ name }) => name === input)) {
		return;
	}
	const paths = from === 'random' ? [] : await pickFiles(document.uri, input, from);
	if (paths) {
		await document.plan(withFiles(session.plan, input, paths));
	}
}
