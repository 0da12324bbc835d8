import * as vscode from 'vscode';
import { identities, replaceFile } from '../../platform/replace-file.js';

/**
 * Writes a file as a whole or not at all, where the file system permits it.
 * @param inputs files that are never replaced
 * @throws {WriteError} for a local file
 */
export async function writeFile(
	target: vscode.Uri,
	content: string | Uint8Array,
	inputs: readonly string[],
): Promise<void> {
	if (target.scheme === 'file') {
		await replaceFile(target.fsPath, content, { inputs: await identities(inputs) });
	} else {
		const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
		await vscode.workspace.fs.writeFile(target, bytes);
	}
}
