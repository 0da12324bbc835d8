import { stat } from 'node:fs/promises';
import * as vscode from 'vscode';
import { ChangeDetector } from './change-detector.js';

/**
 * How often the disk is looked at without an event, in milliseconds: a watcher takes a while to start, on a busy machine
 * seconds, never tells of what happened before, and sees nothing at all on some network and container file systems.
 */
const LOOK_MILLISECONDS = 3000;

/** Tells when a model, or a file beside it that holds its external data, was really changed or deleted. */
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
		// The whole folder, and not the file's name: a name is no glob pattern, it may hold brackets and braces.
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
			const looks = setInterval(() => this.#detector.poke(), LOOK_MILLISECONDS);
			this.#disposables.push({ dispose: () => clearInterval(looks) });
		}
	}

	/** Takes the files as they are now as known; see {@link ChangeDetector.remember}. */
	remember(): Promise<void> {
		return this.#detector.remember();
	}

	/** @param names in the model's folder. */
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
			// VS Code asks its other process, which takes 50 ms while a tab opens, and the model is read only after that.
			const { mtimeMs, size } = await stat(uri.fsPath);
			return `${mtimeMs}/${size}`;
		}
		const { mtime, size } = await vscode.workspace.fs.stat(uri);
		return `${mtime}/${size}`;
	} catch {
		return undefined;
	}
}
