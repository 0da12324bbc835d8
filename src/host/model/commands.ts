import * as vscode from 'vscode';
import { UserError } from '../shared/describe-error.js';
import { reportErrors } from '../shared/report-errors.js';
import { chooseModels } from './choose-models.js';
import type { DefaultEditor } from './default-editor.js';
import type { ModelDocument } from './model-document.js';
import { type ModelEditors, viewTypeOf } from './model-editors.js';
import { runWithInput } from './model-panel.js';

export function registerCommands(
	editors: ModelEditors,
	defaultEditor: DefaultEditor,
	log: vscode.LogOutputChannel,
): vscode.Disposable {
	const register = (name: string, handler: (...args: unknown[]) => unknown) =>
		vscode.commands.registerCommand(`batchnormLens.${name}`, (...args: unknown[]) =>
			reportErrors(log, () => handler(...args)),
		);
	const open = async (...args: unknown[]) => {
		await inspect(...args);
		// Not awaited, because the question stays until the user answers it.
		void reportErrors(log, () => defaultEditor.offer());
	};
	const onActive = (action: (document: ModelDocument) => unknown) => () => {
		if (!editors.activeDocument) {
			throw new UserError(vscode.l10n.t('Open a model with BatchNorm Lens first.'));
		}
		return action(editors.activeDocument);
	};
	return vscode.Disposable.from(
		register('inspect', open),
		register('openWith', open),
		register(
			'run',
			onActive((document) => document.run()),
		),
		register('runWithInput', onActive(runWithInput)),
		register(
			'cancel',
			onActive((document) => document.session.cancel()),
		),
		register('showLog', () => log.show()),
	);
}

/** @param args Empty from the palette; the clicked file and all selected files from the explorer. */
async function inspect(...args: unknown[]): Promise<void> {
	for (const uri of await chooseModels(args)) {
		await refuseFolder(uri);
		await vscode.commands.executeCommand('vscode.openWith', uri, viewTypeOf(uri));
	}
}

async function refuseFolder(uri: vscode.Uri): Promise<void> {
	const type = await vscode.workspace.fs.stat(uri).then(
		(stat) => stat.type,
		() => undefined,
	);
	if (type !== undefined && type & vscode.FileType.Directory) {
		const name = vscode.workspace.asRelativePath(uri);
		throw new UserError(vscode.l10n.t('{0} is a folder. Choose a model file in it.', name));
	}
}
