import * as vscode from 'vscode';
import { messageOf } from '../../core/text/sentences.js';
import type { HostToPage } from '../../protocol/page.js';

/**
 * Returns the message with the plotting library; webview/load-plotly.ts explains why it travels as a message. Never
 * rejects. If the file is missing, the page reports that it cannot draw, and the log has the reason.
 * @param extension Folder of the extension.
 */
export async function plotlyMessage(
	extension: vscode.Uri,
	log: vscode.LogOutputChannel,
): Promise<Extract<HostToPage, { type: 'plotly' }>> {
	try {
		const file = await vscode.workspace.fs.readFile(vscode.Uri.joinPath(extension, 'dist', 'plotly.min.js'));
		// The host may return a view of a larger buffer, which would be sent whole.
		return { type: 'plotly', script: new Uint8Array(file) };
	} catch (error) {
		log.error(`The extension is not complete: ${messageOf(error)}`);
		return { type: 'plotly', script: null };
	}
}
