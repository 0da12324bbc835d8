import * as vscode from 'vscode';
import { isNamedAsCheckpoint, modelFilters } from '../shared/model-extensions.js';
import { isOurEditor } from './model-editors.js';

/**
 * Returns the models that a command applies to: its arguments, else the model in the active tab, else files that the
 * user picks. A model that is already open in our editor does not count as active. Returns an empty list if the user
 * cancels.
 */
export async function chooseModels([clicked, selected]: readonly unknown[]): Promise<readonly vscode.Uri[]> {
	const all = Array.isArray(selected) ? selected.filter(isUri) : [];
	if (all.length > 0) {
		return all;
	}
	if (isUri(clicked)) {
		return [clicked];
	}
	const active = activeModel();
	return active ? [active] : pickModels();
}

function isUri(value: unknown): value is vscode.Uri {
	return value instanceof vscode.Uri;
}

function activeModel(): vscode.Uri | undefined {
	const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
	if (isOurEditor(input) || !(input instanceof vscode.TabInputText || input instanceof vscode.TabInputCustom)) {
		return undefined;
	}
	return /\.onnx$/i.test(input.uri.path) || isNamedAsCheckpoint(input.uri) ? input.uri : undefined;
}

async function pickModels(): Promise<readonly vscode.Uri[]> {
	const picked = await vscode.window.showOpenDialog({
		title: vscode.l10n.t('Inspect a model'),
		openLabel: vscode.l10n.t('Inspect'),
		canSelectMany: true,
		filters: modelFilters(),
	});
	return picked ?? [];
}
