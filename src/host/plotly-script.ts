import * as vscode from 'vscode';

/**
 * The plotting library, for a page that asked for it; see webview/load-plotly.ts for why it travels as a message.
 * @param extension the extension's folder.
 * @throws vscode.FileSystemError when the extension is not complete.
 */
export async function plotlyMessage(
	extension: vscode.Uri,
): Promise<{ type: 'plotly'; script: Uint8Array<ArrayBuffer> }> {
	const file = await vscode.workspace.fs.readFile(vscode.Uri.joinPath(extension, 'dist', 'plotly.min.js'));
	// Where the host gives a view of a larger buffer, all of that would be sent.
	return { type: 'plotly', script: new Uint8Array(file) };
}
