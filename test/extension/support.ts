import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as vscode from 'vscode';
import type { TestApi } from '../../src/extension.js';
import type { ModelDocument } from '../../src/host/model/model-document.js';

export { smallModel } from '../unit/support/small-model.js';

export const VIEW_TYPE = 'batchnormLens.model';

/** Manifest of the extension as the running VS Code sees it. */
export function manifest(): Manifest {
	return extension().packageJSON;
}

export interface Manifest {
	readonly contributes: {
		readonly commands: readonly { readonly command: string }[];
		readonly menus: Readonly<Record<string, readonly { readonly command: string; readonly when?: string }[]>>;
		readonly configuration: { readonly properties: Readonly<Record<string, { readonly default?: unknown }>> };
	};
}

export function extension(): vscode.Extension<TestApi> {
	const found = vscode.extensions.getExtension<TestApi>('batchnorm-lens.batchnorm-lens');
	if (!found) {
		throw new Error('The extension is not installed.');
	}
	return found;
}

/** Opens a file with our editor through the command that a user chooses. */
export async function openModel(uri: vscode.Uri): Promise<ModelDocument> {
	const { editors } = await extension().activate();
	await vscode.commands.executeCommand('batchnormLens.inspect', uri);
	return until(`${uri.path} is open`, () =>
		[...editors.documents].find((document) => document.uri.toString() === uri.toString()),
	);
}

export async function closeAllEditors(): Promise<void> {
	await vscode.commands.executeCommand('workbench.action.closeAllEditors');
}

/** Waits until `check` returns a value other than undefined, null or false. */
export async function until<T>(what: string, check: () => T | undefined | null | false, timeout = 15_000): Promise<T> {
	const end = Date.now() + timeout;
	for (;;) {
		const value = check();
		if (value !== undefined && value !== null && value !== false) {
			return value;
		}
		if (Date.now() > end) {
			throw new Error(`Waited ${timeout} ms in vain: ${what}.`);
		}
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
}

/** A folder for one suite's files. */
export class Folder {
	private folder = '';

	get uri(): vscode.Uri {
		return vscode.Uri.file(this.folder);
	}

	async create(): Promise<void> {
		this.folder = await mkdtemp(path.join(tmpdir(), 'batchnorm-lens-'));
	}

	async write(name: string, content: Uint8Array | string): Promise<vscode.Uri> {
		const file = path.join(this.folder, name);
		await writeFile(file, content);
		return vscode.Uri.file(file);
	}

	async remove(): Promise<void> {
		await closeAllEditors();
		await rm(this.folder, { recursive: true, force: true });
	}
}
