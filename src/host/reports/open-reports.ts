import * as vscode from 'vscode';
import type { ModelDocument } from '../model/model-document.js';
import type { ModelEditors } from '../model/model-editors.js';

/** Minimum interval between redraws outside the page, in ms. Verdicts come layer by layer. */
const REDRAW_MILLISECONDS = 150;

/** True while a model is open. Shows the layer tree. */
const OPEN_CONTEXT = 'batchnormLens.modelOpen';

/** Reports of the open models, for all parts outside the pages. */
export class OpenReports implements vscode.Disposable {
	readonly editors: ModelEditors;
	readonly #changed = new vscode.EventEmitter<ModelDocument>();
	/** Fires when the report of a model has changed, once for several changes in a row. */
	readonly onDidChange = this.#changed.event;
	readonly #closed = new vscode.EventEmitter<ModelDocument>();
	readonly onDidClose = this.#closed.event;
	readonly #switched = new vscode.EventEmitter<void>();
	/** Fires when {@link current} changes. */
	readonly onDidSwitch = this.#switched.event;
	readonly #timers = new Map<ModelDocument, NodeJS.Timeout>();
	readonly #disposables: vscode.Disposable[];
	/** Open models in order of their last activation. */
	readonly #byLastActive = new Set<ModelDocument>();
	/** Value of {@link current} at the last {@link onDidSwitch}. */
	#lastCurrent: ModelDocument | undefined;

	constructor(editors: ModelEditors) {
		this.editors = editors;
		this.#disposables = [
			editors.onDidOpen((document) => this.#follow(document)),
			editors.onDidChangeActive(() => this.#updateCurrent()),
			this.#changed,
			this.#closed,
			this.#switched,
		];
	}

	/** The model in the active tab, else the model that was active last and is still open. */
	get current(): ModelDocument | undefined {
		return [...this.#byLastActive].at(-1);
	}

	find(uri: vscode.Uri): ModelDocument | undefined {
		return [...this.editors.documents].find((document) => document.uri.toString() === uri.toString());
	}

	dispose(): void {
		for (const timer of this.#timers.values()) {
			clearTimeout(timer);
		}
		this.#timers.clear();
		vscode.Disposable.from(...this.#disposables).dispose();
	}

	#follow(document: ModelDocument): void {
		const unsubscribe = document.session.onMessage(({ type }) => {
			if (type !== 'progress') {
				this.#schedule(document);
			}
		});
		document.onDidDispose(() => {
			unsubscribe();
			clearTimeout(this.#timers.get(document));
			this.#timers.delete(document);
			this.#closed.fire(document);
			this.#byLastActive.delete(document);
			this.#updateCurrent();
		});
		this.#byLastActive.add(document);
		this.#updateCurrent();
	}

	#schedule(document: ModelDocument): void {
		if (!this.#timers.has(document)) {
			const tell = () => {
				this.#timers.delete(document);
				this.#changed.fire(document);
			};
			this.#timers.set(document, setTimeout(tell, REDRAW_MILLISECONDS));
		}
	}

	#updateCurrent(): void {
		const before = this.#lastCurrent;
		const { activeDocument } = this.editors;
		if (activeDocument) {
			this.#byLastActive.delete(activeDocument);
			this.#byLastActive.add(activeDocument);
		}
		this.#lastCurrent = this.current;
		// Every change of the focus leads here. Rebuilding a list under the pointer swallows the user's click.
		if (this.#lastCurrent !== before) {
			void vscode.commands.executeCommand('setContext', OPEN_CONTEXT, this.#byLastActive.size > 0);
			this.#switched.fire();
		}
	}
}
