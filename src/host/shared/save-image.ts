import * as vscode from 'vscode';
import type { PageToHost } from '../../protocol/page.js';
import { freeName } from './free-name.js';
import { imageFileName } from './image-file.js';
import { writeFile } from './write-file.js';

/** Lets the user choose a file for an image, by default beside the model, and writes it as PNG or SVG. */
export async function saveImage(
	model: vscode.Uri,
	{ name, png, svg }: Extract<PageToHost, { type: 'save-image' }>,
): Promise<void> {
	const target = await vscode.window.showSaveDialog({
		defaultUri: await freeName(vscode.Uri.joinPath(model, '..', imageFileName(name))),
		filters: { [vscode.l10n.t('PNG image')]: ['png'], [vscode.l10n.t('SVG drawing')]: ['svg'] },
	});
	if (target) {
		const content = /\.svg$/i.test(target.path) ? svg : png;
		await writeFile(target, content, [model.fsPath]);
	}
}
