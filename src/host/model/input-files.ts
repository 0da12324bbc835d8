import * as vscode from 'vscode';
import { inert } from '../../core/text/names.js';
import type { InputFile } from '../../protocol/host-engine.js';
import { UserError } from '../shared/describe-error.js';
import { pickMany } from '../shared/messages.js';

/**
 * Lets the user pick files for the model's inputs. If the model has several inputs, the user first chooses inputs.
 * @param inputs Names of the inputs that need values in a run.
 * @returns undefined if the user cancels.
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
		const paths = await pickFiles(model, input, 'files');
		if (!paths) {
			return undefined;
		}
		files.push(...paths.map((path) => ({ input, path })));
	}
	return files;
}

async function chooseInputs(inputs: readonly string[]): Promise<readonly string[] | undefined> {
	const items = inputs.map((name) => ({ label: name, name }));
	const chosen = await pickMany(items, {
		title: vscode.l10n.t('Inputs to read from files'),
		placeHolder: vscode.l10n.t('All other inputs get seeded random values'),
	});
	return chosen?.map(({ name }) => name);
}

/**
 * Lets the user pick files, or a folder of files, for a single input of the model.
 * @returns Paths; undefined if the user cancels.
 * @throws {UserError} for a file that only VS Code can read.
 */
export async function pickFiles(
	model: vscode.Uri,
	input: string | undefined,
	kind: 'files' | 'folder',
): Promise<readonly string[] | undefined> {
	const picked = await vscode.window.showOpenDialog({
		title: input === undefined ? vscode.l10n.t('Input') : vscode.l10n.t('Values for the input "{0}"', inert(input)),
		defaultUri: vscode.Uri.joinPath(model, '..'),
		...(kind === 'folder'
			? { canSelectFiles: false, canSelectFolders: true }
			: {
					canSelectMany: true,
					filters: { [vscode.l10n.t('Tensors and images')]: ['npy', 'npz', 'pb', 'png', 'jpg', 'jpeg'] },
				}),
	});
	const elsewhere = picked?.find(({ scheme }) => scheme !== 'file');
	if (elsewhere) {
		throw new UserError(
			vscode.l10n.t('{0} is not on a disk that the engine can read. Choose a local file.', elsewhere.path),
		);
	}
	return picked?.map(({ fsPath }) => fsPath);
}
