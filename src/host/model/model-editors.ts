import * as vscode from 'vscode';
import { isNamedAsCheckpoint } from '../shared/model-extensions.js';
import { ModelDocument, type ModelServices } from './model-document.js';
import { ModelPanel } from './model-panel.js';

/** View type of the editor for ONNX models, the default editor of their files. */
export const MODEL_VIEW_TYPE = 'batchnormLens.model';
/** View type of the editor for checkpoints. It is optional, because most .bin and .h5 files are no checkpoints. */
const CHECKPOINT_VIEW_TYPE = 'batchnormLens.checkpoint';

/** Returns the view type of our editor for a file. */
export function viewTypeOf(uri: vscode.Uri): string {
	return isNamedAsCheckpoint(uri) ? CHECKPOINT_VIEW_TYPE : MODEL_VIEW_TYPE;
}

/** True for a tab of our editor. */
export function isOurEditor(input: unknown): input is vscode.TabInputCustom {
	return input instanceof vscode.TabInputCustom && [MODEL_VIEW_TYPE, CHECKPOINT_VIEW_TYPE].includes(input.viewType);
}

/** True while the model in the active tab runs. Shows the cancel button instead of the run button. */
const RUNNING_CONTEXT = 'batchnormLens.running';

/** A tab of our editor. */
interface ShownModel {
	readonly panel: vscode.WebviewPanel;
	readonly document: ModelDocument;
	readonly page: ModelPanel;
}

/** The custom editor for models, and its open models. */
export class ModelEditors implements vscode.CustomReadonlyEditorProvider<ModelDocument>, vscode.Disposable {
	readonly #services: ModelServices;
	readonly #extension: vscode.Uri;
	readonly #open = new Set<ModelDocument>();
	readonly #opened = new vscode.EventEmitter<ModelDocument>();
	/** Fires when a model is opened, before its file is read. */
	readonly onDidOpen = this.#opened.event;
	readonly #activated = new vscode.EventEmitter<void>();
	/** Fires when {@link activeDocument} may have changed. */
	readonly onDidChangeActive = this.#activated.event;
	readonly #chosen = new vscode.EventEmitter<ModelDocument>();
	/** Fires when the user opens another layer on a page of the model, or closes the layer. */
	readonly onDidChooseLayer = this.#chosen.event;
	readonly #registration: vscode.Disposable;
	/** Current value of {@link RUNNING_CONTEXT}. */
	#runningShown = false;
	/** The active tab. A document may have several tabs. */
	#active: ShownModel | undefined;
	readonly #shown = new Map<vscode.WebviewPanel, ShownModel>();

	constructor(services: ModelServices, extension: vscode.Uri) {
		this.#services = services;
		this.#extension = extension;
		this.#registration = vscode.Disposable.from(
			...[MODEL_VIEW_TYPE, CHECKPOINT_VIEW_TYPE].map((viewType) =>
				vscode.window.registerCustomEditorProvider(viewType, this, {
					supportsMultipleEditorsPerDocument: true,
					webviewOptions: { enableFindWidget: true },
				}),
			),
		);
	}

	/** The model in the active tab. */
	get activeDocument(): ModelDocument | undefined {
		return this.#active?.document;
	}

	get documents(): Iterable<ModelDocument> {
		return this.#open;
	}

	openCustomDocument(uri: vscode.Uri): ModelDocument {
		const document = new ModelDocument(uri, this.#services);
		this.#open.add(document);
		const unsubscribe = document.session.onMessage(({ type }) => {
			if (type === 'progress' && document === this.#active?.document) {
				this.#updateContext();
			}
		});
		document.onDidDispose(() => {
			unsubscribe();
			this.#open.delete(document);
		});
		this.#opened.fire(document);
		return document;
	}

	resolveCustomEditor(document: ModelDocument, panel: vscode.WebviewPanel): void {
		const page = new ModelPanel(panel, document, this.#extension, this.#services.log);
		// Begins after the page does, because reading occupies the host. Not awaited, so that the tab opens at once. The page
		// shows an unreadable file's error.
		void document.begin();
		const shown = { panel, document, page };
		this.#shown.set(panel, shown);
		const update = () => this.#setActive(shown, panel.active);
		const viewState = panel.onDidChangeViewState(update);
		page.onDidChoose(() => this.#chosen.fire(document));
		panel.onDidDispose(() => {
			viewState.dispose();
			page.dispose();
			this.#shown.delete(panel);
			this.#setActive(shown, false);
		});
		update();
	}

	/** Activates or opens the model's tab and opens the layer on its page. @param part section to scroll to */
	async reveal(uri: vscode.Uri, layer: string, part?: 'axes'): Promise<void> {
		await vscode.commands.executeCommand('vscode.openWith', uri, viewTypeOf(uri));
		this.#pageOf(uri)?.select(layer, part);
	}

	/** Report index of the layer that is open on the page. */
	chosenLayer({ uri }: ModelDocument): number | null {
		return this.#pageOf(uri)?.chosen ?? null;
	}

	dispose(): void {
		this.#registration.dispose();
		this.#opened.dispose();
		this.#activated.dispose();
		this.#chosen.dispose();
		for (const document of this.#open) {
			document.dispose();
		}
	}

	/** Returns the page in the active tab of a model, else the page in its newest tab. */
	#pageOf(uri: vscode.Uri): ModelPanel | undefined {
		const tabs = [...this.#shown.values()].filter(({ document }) => document.uri.toString() === uri.toString());
		return (tabs.find(({ panel }) => panel.active) ?? tabs.at(-1))?.page;
	}

	#setActive(shown: ShownModel, active: boolean): void {
		if (active) {
			this.#active = shown;
		} else if (this.#active === shown) {
			this.#active = undefined;
		}
		this.#updateContext();
		this.#activated.fire();
	}

	/**
	 * Sends only changes. A run reports progress many times per second, and each call crosses to the window's process.
	 */
	#updateContext(): void {
		const running = this.activeDocument?.session.running ?? false;
		if (running !== this.#runningShown) {
			this.#runningShown = running;
			void vscode.commands.executeCommand('setContext', RUNNING_CONTEXT, running);
		}
	}
}
