import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import type { WebviewToHost } from '../../protocol/host-webview.js';
import { pack } from '../../protocol/packing.js';
import { plotlyMessage } from '../shared/plotly-script.js';
import { reportErrors } from '../shared/report-errors.js';
import { pageHtml } from '../shared/webview-html.js';
import { pickFiles, pickInputFiles } from './input-files.js';
import { MessageQueue } from './message-queue.js';
import type { ModelDocument } from './model-document.js';
import { withFiles } from './run-plan.js';
import { imageFileName, parseWebviewMessage } from './webview-message.js';

const STYLES = ['theme.css', 'page.css', 'plotly.css'];

/** Connects one webview to its document: pushes every change to a page that listens, does what the page asks for. */
export class ModelPanel implements vscode.Disposable {
	private readonly panel: vscode.WebviewPanel;
	private readonly document: ModelDocument;
	private readonly log: vscode.LogOutputChannel;
	/** The extension's folder. */
	private readonly extension: vscode.Uri;
	private readonly queue: MessageQueue;
	private readonly disposables: vscode.Disposable[] = [];
	private readonly chosenEmitter = new vscode.EventEmitter<void>();
	/** Fires when {@link chosen} is another layer, or none. */
	readonly onDidChoose = this.chosenEmitter.event;
	private chosenIndex: number | null = null;
	/** A layer to show as soon as the page listens. */
	private wanted: string | undefined;
	/** False until the page says that it is ready, and again while it is hidden: then there is no page at all. */
	private listening = false;

	constructor(
		panel: vscode.WebviewPanel,
		document: ModelDocument,
		extension: vscode.Uri,
		log: vscode.LogOutputChannel,
	) {
		this.panel = panel;
		this.document = document;
		this.log = log;
		this.extension = extension;
		this.queue = new MessageQueue(async (message) => panel.webview.postMessage(pack(message)));
		const unsubscribe = document.session.onMessage((message) => this.listening && this.queue.push(message));
		this.disposables.push(
			this.chosenEmitter,
			{ dispose: unsubscribe },
			{ dispose: () => this.queue.clear() },
			panel.onDidChangeViewState(() => {
				if (!panel.visible) {
					this.listening = false;
					this.queue.clear();
				}
			}),
			panel.webview.onDidReceiveMessage((value) => this.receive(value)),
		);
		this.fill();
	}

	dispose(): void {
		vscode.Disposable.from(...this.disposables).dispose();
	}

	/** The layer that is open on the page, by its place in the report; a page that is hidden has it still. */
	get chosen(): number | null {
		return this.chosenIndex;
	}

	/** Opens a layer on the page, now or once there is a page. */
	select(layer: string): void {
		if (this.listening) {
			this.queue.push({ type: 'select', layer });
		} else {
			this.wanted = layer;
		}
	}

	private fill(): void {
		const { extension } = this;
		const { webview } = this.panel;
		const dist = vscode.Uri.joinPath(extension, 'dist');
		const media = vscode.Uri.joinPath(extension, 'media');
		const resource = (folder: vscode.Uri, name: string) =>
			webview.asWebviewUri(vscode.Uri.joinPath(folder, name)).toString();
		webview.options = { enableScripts: true, localResourceRoots: [dist, media] };
		webview.html = pageHtml({
			cspSource: webview.cspSource,
			nonce: randomBytes(18).toString('base64'),
			script: resource(dist, 'webview.js'),
			styles: STYLES.map((name) => resource(media, name)),
			title: vscode.workspace.asRelativePath(this.document.uri),
		});
	}

	private receive(value: unknown): void {
		const message = parseWebviewMessage(value);
		if (message) {
			reportErrors(this.log, () => this.handle(message));
		} else {
			this.log.warn('A page sent a message that is not part of the protocol; it was ignored.');
		}
	}

	private async handle(message: WebviewToHost): Promise<void> {
		const { document, log } = this;
		switch (message.type) {
			case 'ready':
				this.listening = true;
				this.queue.clear();
				for (const known of document.session.snapshot()) {
					this.queue.push(known);
				}
				if (this.wanted !== undefined) {
					this.queue.push({ type: 'select', layer: this.wanted });
					this.wanted = undefined;
				}
				return;
			case 'cancel':
				return document.session.cancel();
			case 'run':
				if (message.choices) {
					await document.plan({ ...document.session.plan, choices: message.choices });
				}
				return document.run();
			case 'layer-chosen':
				this.chosenIndex = message.index;
				return this.chosenEmitter.fire();
			case 'choose-files':
				return chooseFiles(document, message);
			case 'manage-trust':
				await vscode.commands.executeCommand('workbench.trust.manage');
				return;
			case 'compare':
				await vscode.commands.executeCommand('batchnormLens.compare', document.uri);
				return;
			case 'save-image':
				return saveImage(document.uri, message);
			case 'get-plotly':
				await this.panel.webview.postMessage(pack(await plotlyMessage(this.extension, log)));
				return;
			case 'show-log':
				return log.show();
			case 'error':
				return log.error(`The page of ${document.uri.toString(true)} failed: ${message.message}`);
			case 'mark':
				if (message.name === 'table') {
					document.tableShown();
				}
				return log.info(`${message.name} shown ${Math.round(message.milliseconds)} ms after the page began to load`);
			default:
				message satisfies never;
		}
	}
}

/** Runs on files that the user picks; nothing happens when nothing is picked. */
export async function runWithInput(document: ModelDocument): Promise<void> {
	const { session } = document;
	const names = session.model?.inputs.map(({ name }) => name) ?? [];
	const files = await pickInputFiles(document.uri, names);
	if (files) {
		await document.plan({ ...session.plan, files });
		await document.run();
	}
}

/** What an input is fed in the runs to come; none is started, since there may be more to choose. */
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

/** Lets the user say where a picture goes; offered beside the model. */
export async function saveImage(
	model: vscode.Uri,
	{ name, png, svg }: Extract<WebviewToHost, { type: 'save-image' }>,
): Promise<void> {
	const target = await vscode.window.showSaveDialog({
		defaultUri: vscode.Uri.joinPath(model, '..', imageFileName(name)),
		filters: { [vscode.l10n.t('PNG image')]: ['png'], [vscode.l10n.t('SVG drawing')]: ['svg'] },
	});
	if (target) {
		const content = /\.svg$/i.test(target.path) ? new TextEncoder().encode(svg) : png;
		await vscode.workspace.fs.writeFile(target, content);
	}
}
