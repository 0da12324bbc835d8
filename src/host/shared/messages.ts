import * as vscode from 'vscode';
import { inert, shorten } from '../../core/text/names.js';

/**
 * All messages, lists and progress that VS Code itself shows. They name layers and files of untrusted models. So this
 * file makes every text inert, and no other file calls these functions of VS Code.
 */

/** Maximum length of a message. The log has the whole text. */
const MAX_MESSAGE = 1000;

/** Shows a message; resolves to the chosen action. */
export function showMessage(
	kind: 'error' | 'warning' | 'information',
	text: string,
	...actions: readonly string[]
): Thenable<string | undefined> {
	const message = plain(text);
	switch (kind) {
		case 'error':
			return vscode.window.showErrorMessage(message, ...actions);
		case 'warning':
			return vscode.window.showWarningMessage(message, ...actions);
		case 'information':
			return vscode.window.showInformationMessage(message, ...actions);
	}
}

/** Returns Markdown that shows the text as it is, for interfaces that take Markdown only. */
export function plainMarkdown(text: string): vscode.MarkdownString {
	return new vscode.MarkdownString().appendText(plain(text));
}

/** Shows a notification with a cancel button while the work runs. */
export function showProgress<T>(
	title: string,
	work: (report: (message: string) => void, token: vscode.CancellationToken) => Thenable<T>,
): Thenable<T> {
	const options = { location: vscode.ProgressLocation.Notification, title: plain(title), cancellable: true };
	return vscode.window.withProgress(options, (progress, token) =>
		work((message) => progress.report({ message: plain(message) }), token),
	);
}

/** Texts around a list of choices. */
export interface PickTexts {
	readonly title: string;
	readonly placeHolder?: string;
	readonly matchOnDescription?: boolean;
}

/** Lets the user choose an item; undefined if the user cancels. */
export async function pickOne<T extends vscode.QuickPickItem>(
	items: readonly T[],
	texts: PickTexts,
): Promise<T | undefined> {
	const chosen = await vscode.window.showQuickPick(items.map(plainItem), plainTexts(texts));
	return chosen?.item;
}

/** Lets the user choose several items; undefined if the user cancels. */
export async function pickMany<T extends vscode.QuickPickItem>(
	items: readonly T[],
	texts: PickTexts,
): Promise<readonly T[] | undefined> {
	const chosen = await vscode.window.showQuickPick(items.map(plainItem), { ...plainTexts(texts), canPickMany: true });
	return chosen?.map(({ item }) => item);
}

function plainItem<T extends vscode.QuickPickItem>(item: T) {
	const { label, description, detail, iconPath } = item;
	return {
		label: plain(label),
		...(description !== undefined && { description: plain(description) }),
		...(detail !== undefined && { detail: plain(detail) }),
		...(iconPath !== undefined && { iconPath }),
		item,
	};
}

function plainTexts({ title, placeHolder, ...rest }: PickTexts) {
	return { ...rest, title: plain(title), ...(placeHolder !== undefined && { placeHolder: plain(placeHolder) }) };
}

function plain(text: string): string {
	return inert(shorten(text, MAX_MESSAGE));
}
