import * as vscode from 'vscode';
import type { InputFile } from '../protocol/host-engine.js';
import { UserError } from './describe-error.js';

/**
 * Lets the user pick a file for the model's input, or for each of those inputs that they choose.
 * @param inputs names of the inputs that a run needs values for.
 * @returns undefined when the user backs out.
 */
export async function pickInputFiles(
	model: vscode.Uri,
	inputs: readonly string[],
): Promise<readonly InputFile[] | undefined> {
	const chosen = inputs.length > 1 ? await chooseInputs(inputs) : [inputs[0]];
	if (!chosen || chosen.length === 0) {
		return undefined;
	}
	const files: InputFile[] = [];
	for (const input of chosen) {
		const path = await pickFile(model, input);
		if (path === undefined) {
			return undefined;
		}
		files.push({ input, path });
	}
	return files;
}

function chooseInputs(inputs: readonly string[]): Thenable<readonly string[] | undefined> {
	return vscode.window.showQuickPick([...inputs], {
		canPickMany: true,
		title: vscode.l10n.t('Inputs to read from files'),
		placeHolder: vscode.l10n.t('All others get seeded random values'),
	});
}

async function pickFile(model: vscode.Uri, input: string | undefined): Promise<string | undefined> {
	const picked = await vscode.window.showOpenDialog({
		title: input === undefined ? vscode.l10n.t('Input') : vscode.l10n.t('Values for the input "{0}"', input),
		defaultUri: vscode.Uri.joinPath(model, '..'),
		filters: { [vscode.l10n.t('Tensors')]: ['npy', 'npz', 'pb'] },
	});
	const file = picked?.[0];
	if (file && file.scheme !== 'file') {
		throw new UserError(
			vscode.l10n.t('{0} is not on a disk that the engine can read: choose a local file.', file.path),
		);
	}
	return file?.fsPath;
}
