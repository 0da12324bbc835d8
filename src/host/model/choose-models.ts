import * as vscode from 'vscode';
import { VIEW_TYPE } from './model-editors.js';

/**
 * The models that a command is meant for: those it was called with; from the palette, the one in the active tab unless
 * we show it already; else what the user picks. Empty when the user backs out.
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
	const shown = input instanceof vscode.TabInputCustom && input.viewType === VIEW_TYPE;
	if (shown || !(input instanceof vscode.TabInputText || input instanceof vscode.TabInputCustom)) {
		return undefined;
	}
	return /\.onnx$/i.test(input.uri.path) ? input.uri : undefined;
}

async function pickModels(): Promise<readonly vscode.Uri[]> {
	const picked = await vscode.window.showOpenDialog({
		title: vscode.l10n.t('Inspect a model'),
		openLabel: vscode.l10n.t('Inspect'),
		canSelectMany: true,
		filters: { [vscode.l10n.t('ONNX models')]: ['onnx'] },
	});
	return picked ?? [];
}
