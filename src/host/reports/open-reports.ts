import * as vscode from 'vscode';
import type { ModelDocument } from '../model/model-document.js';
import type { ModelEditors } from '../model/model-editors.js';

/** Verdicts come layer by layer: what lists them outside of the page is redrawn at most this often. */
const REST_MILLISECONDS = 150;

/** True while any model is open: shows the tree of its layers. */
const OPEN_CONTEXT = 'batchnormLens.modelOpen';

/** The reports of the open models, for what shows them outside of their pages. */
export class OpenReports implements vscode.Disposable {
	readonly editors: ModelEditors;
	readonly #changed = new vscode.EventEmitter<ModelDocument>();
	/** The report of a model has changed; several changes in a row are told once. */
	readonly onDidChange = this.#changed.event;
	readonly #closed = new vscode.EventEmitter<ModelDocument>();
	readonly onDidClose = this.#closed.event;
	readonly #switched = new vscode.EventEmitter<void>();
	/** {@link current} is another one, or none. */
	readonly onDidSwitch = this.#switched.event;
	readonly #timers = new Map<ModelDocument, NodeJS.Timeout>();
	readonly #disposables: vscode.Disposable[];
	/** Models in the order in which they were looked at, the last one last. */
	readonly #byLastActive = new Set<ModelDocument>();
	/** What {@link current} was when {@link onDidSwitch} was told last. */
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

	/** The model in the active tab, or the last one there that is still open: its report may be looked at beside it. */
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
			this.#timers.set(document, setTimeout(tell, REST_MILLISECONDS));
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
		// Every change of the focus leads here, and a list that is made anew under the pointer swallows the click.
		if (this.#lastCurrent !== before) {
			void vscode.commands.executeCommand('setContext', OPEN_CONTEXT, this.#byLastActive.size > 0);
			this.#switched.fire();
		}
	}
}
