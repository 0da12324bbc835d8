import { stat } from 'node:fs/promises';
import * as vscode from 'vscode';
import { ChangeDetector } from './change-detector.js';

/**
 * Interval of looking at the disk without an event, in ms. Watchers need seconds to start on a busy machine and miss
 * earlier changes. On some network and container file systems they report no event at all.
 */
const POLL_MILLISECONDS = 3000;

/** Reports real changes and the deletion of a model and of its external data files. */
export class ModelWatcher implements vscode.Disposable {
	readonly #folder: vscode.Uri;
	readonly #model: vscode.Uri;
	readonly #detector: ChangeDetector;
	readonly #disposables: vscode.Disposable[];
	#externalFiles: readonly vscode.Uri[] = [];

	constructor(model: vscode.Uri, onChange: (change: 'changed' | 'deleted') => void) {
		this.#model = model;
		this.#folder = vscode.Uri.joinPath(model, '..');
		this.#detector = new ChangeDetector({ describe: () => this.#describe(), onChange });
		// Watches the whole folder, because a file name may hold brackets and braces and is then no valid glob pattern.
		const watcher = vscode.workspace.createFileSystemWatcher(new vscode.RelativePattern(this.#folder, '*'));
		const poke = (uri: vscode.Uri) => this.#watches(uri) && this.#detector.poke();
		this.#disposables = [
			watcher,
			watcher.onDidChange(poke),
			watcher.onDidCreate(poke),
			watcher.onDidDelete(poke),
			this.#detector,
		];
		if (model.scheme === 'file') {
			const polling = setInterval(() => this.#detector.poke(), POLL_MILLISECONDS);
			this.#disposables.push({ dispose: () => clearInterval(polling) });
		}
	}

	/** Stores the current state of the files; see {@link ChangeDetector.remember}. */
	remember(): Promise<void> {
		return this.#detector.remember();
	}

	/** @param names File names in the model's folder. */
	async setExternalFiles(names: readonly string[]): Promise<void> {
		this.#externalFiles = names.map((name) => vscode.Uri.joinPath(this.#folder, name));
		await this.#detector.extend();
	}

	dispose(): void {
		vscode.Disposable.from(...this.#disposables).dispose();
	}

	#watches(uri: vscode.Uri): boolean {
		const key = uri.toString();
		return key === this.#model.toString() || this.#externalFiles.some((file) => file.toString() === key);
	}

	#describe(): Promise<(string | undefined)[]> {
		return Promise.all([this.#model, ...this.#externalFiles].map(describeFile));
	}
}

async function describeFile(uri: vscode.Uri): Promise<string | undefined> {
	try {
		if (uri.scheme === 'file') {
			// Calling VS Code's other process takes 50 ms while a tab opens, and the model is read only afterwards.
			const { mtimeMs, size } = await stat(uri.fsPath);
			return `${mtimeMs}/${size}`;
		}
		const { mtime, size } = await vscode.workspace.fs.stat(uri);
		return `${mtime}/${size}`;
	} catch {
		return undefined;
	}
}
