import * as vscode from 'vscode';
import type { HostServices } from '../model/model-document.js';
import type { ModelEditors } from '../model/model-editors.js';
import { reportErrors } from '../shared/report-errors.js';
import { choosePair } from './compare-pair.js';
import type { Comparisons } from './comparisons.js';
import { foldModel } from './fold-command.js';

/** Registers the commands that compare models and save folded models. */
export function registerComparisonCommands(
	{ editors, comparisons }: { readonly editors: ModelEditors; readonly comparisons: Comparisons },
	services: HostServices,
): vscode.Disposable {
	const register = (name: string, handler: (...args: unknown[]) => unknown) =>
		vscode.commands.registerCommand(`batchnormLens.${name}`, (...args: unknown[]) =>
			reportErrors(services.log, () => handler(...args)),
		);
	return vscode.Disposable.from(
		register('compare', async (...args) => {
			const pair = await choosePair(args, editors.activeDocument?.uri);
			if (pair) {
				await comparisons.show(pair);
			}
		}),
		register('fold', async (clicked, target) => {
			const model = clicked instanceof vscode.Uri ? clicked : (editors.activeDocument?.uri ?? (await pickModel()));
			if (model) {
				// The explorer passes the list of selected files as second argument.
				await foldModel(services, model, target instanceof vscode.Uri ? target : undefined);
			}
		}),
	);
}

async function pickModel(): Promise<vscode.Uri | undefined> {
	const picked = await vscode.window.showOpenDialog({
		title: vscode.l10n.t('Fold a model'),
		openLabel: vscode.l10n.t('Fold'),
		filters: { [vscode.l10n.t('ONNX models')]: ['onnx'] },
	});
	return picked?.[0];
}
