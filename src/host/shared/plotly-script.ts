import * as vscode from 'vscode';
import { messageOf } from '../../core/text/sentences.js';

/**
 * The plotting library, for a page that asked for it; see webview/load-plotly.ts for why it travels as a message. Never
 * rejects: the page says that it cannot draw, the log why.
 * @param extension the extension's folder.
 */
export async function plotlyMessage(
	extension: vscode.Uri,
	log: vscode.LogOutputChannel,
): Promise<{ type: 'plotly'; script: Uint8Array<ArrayBuffer> | null }> {
	try {
		const file = await vscode.workspace.fs.readFile(vscode.Uri.joinPath(extension, 'dist', 'plotly.min.js'));
		// Where the host gives a view of a larger buffer, all of that would be sent.
		return { type: 'plotly', script: new Uint8Array(file) };
	} catch (error) {
		log.error(`The extension is not complete: ${messageOf(error)}`);
		return { type: 'plotly', script: null };
	}
}
