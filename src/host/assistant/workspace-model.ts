import { realpath } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import { resolveBelow } from '../../platform/root-folder.js';
import { UserError } from '../shared/describe-error.js';
import { pathsIn } from './tool-input.js';

/**
 * Finds a model that an assistant names. The name is a path from a workspace folder, such a path after the folder's
 * name, or an absolute path. Refuses links that lead out of the folder, so that no prompt can make the extension read
 * other files.
 * @throws {UserError} with a sentence for the assistant
 */
export async function workspaceModel(name: string): Promise<vscode.Uri> {
	const folders = vscode.workspace.workspaceFolders ?? [];
	if (folders.length === 0) {
		throw new UserError(vscode.l10n.t('No folder is open. Open the folder with the model, then ask again.'));
	}
	let reason = '';
	for (const folder of folders) {
		for (const candidate of pathsIn(folder.name, name)) {
			const found = await findIn(folder, candidate);
			if (found instanceof vscode.Uri) {
				return found;
			}
			reason ||= found;
		}
	}
	throw new UserError(reason);
}

/** Returns the file, or a sentence: the reason why there is none. */
async function findIn({ uri }: vscode.WorkspaceFolder, name: string): Promise<vscode.Uri | string> {
	if (uri.scheme === 'file') {
		const root = await realpath(uri.fsPath).catch(() => uri.fsPath);
		const absolute = path.isAbsolute(name) ? await realpath(name).catch(() => name) : name;
		const found = await resolveBelow(root, absolute);
		return found.ok ? vscode.Uri.file(found.value) : found.reason;
	}
	const missing = vscode.l10n.t('{0} cannot be read: there is no such file, or access is denied.', name);
	const target = vscode.Uri.joinPath(uri, name);
	if (!target.path.startsWith(`${uri.path.replace(/\/$/, '')}/`)) {
		return missing;
	}
	const type = await vscode.workspace.fs.stat(target).then(
		(stat) => stat.type,
		() => undefined,
	);
	return type === vscode.FileType.File ? target : missing;
}
