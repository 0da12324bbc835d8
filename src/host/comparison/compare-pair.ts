import * as vscode from 'vscode';
import { isCheckpoint } from '../../core/report/formats.js';
import { inert } from '../../core/text/names.js';
import { loadModel } from '../model/load-model.js';
import { UserError } from '../shared/describe-error.js';
import { pickOne } from '../shared/messages.js';
import { MODEL_PATTERN, modelFilters } from '../shared/model-extensions.js';
import { baseName } from './comparisons.js';
import type { ModelPair } from './model-pair.js';

/** Maximum number of files offered as the second model. */
const MAX_OFFERED = 500;

/**
 * Chooses the two models of a comparison: two selected files, or a model and a second that the user picks. The model
 * with more BatchNormalization layers, or the checkpoint, is the original. Returns undefined if the user cancels.
 */
export async function choosePair(
	args: readonly unknown[],
	shown: vscode.Uri | undefined,
): Promise<ModelPair | undefined> {
	const [clicked, second] = args;
	const selected = Array.isArray(second) ? second.filter((uri) => uri instanceof vscode.Uri) : [];
	if (selected.length > 2) {
		const many = vscode.l10n.t(
			'{0} files are selected. Select only the original and the deployed model.',
			selected.length,
		);
		throw new UserError(many);
	}
	const [a, b] = selected.length === 2 ? selected : [clicked, second];
	const first = a instanceof vscode.Uri ? a : (shown ?? (await pickModel(undefined)));
	const other = b instanceof vscode.Uri ? b : first && (await pickModel(first));
	if (!first || !other) {
		return undefined;
	}
	if (first.toString() === other.toString()) {
		throw new UserError(vscode.l10n.t('{0} was selected twice. Choose two different models.', baseName(first)));
	}
	return assignRoles(first, other);
}

/** Makes the checkpoint, else the model with more layers, the original. Asks the user if both have the same number. */
async function assignRoles(first: vscode.Uri, other: vscode.Uri): Promise<ModelPair | undefined> {
	const [one, two] = await Promise.all([loadModel(first), loadModel(other)]);
	const isFirst = isCheckpoint(one.report.model);
	if (isFirst !== isCheckpoint(two.report.model)) {
		return isFirst ? { original: first, deployed: other } : { original: other, deployed: first };
	}
	const [a, b] = [one.report.layers.length, two.report.layers.length];
	if (a !== b) {
		return a > b ? { original: first, deployed: other } : { original: other, deployed: first };
	}
	if (a === 0) {
		// The page reports that neither model has layers to compare.
		return { original: first, deployed: other };
	}
	const items = [first, other].map((uri) => ({ label: baseName(uri), description: folderOf(uri), uri }));
	const chosen = await pickOne(items, {
		title: vscode.l10n.t('Which model is the original?'),
		placeHolder: vscode.l10n.t('Both have {0} BatchNormalization layers. The other model counts as deployed.', a),
	});
	return chosen && { original: chosen.uri, deployed: chosen.uri === first ? other : first };
}

/** Offers the models of the workspace, first the models in the folder of `first`, and a dialog for all other files. */
async function pickModel(first: vscode.Uri | undefined): Promise<vscode.Uri | undefined> {
	const title = first
		? vscode.l10n.t('Compare {0} with…', inert(baseName(first)))
		: vscode.l10n.t('The original model');
	// Some file systems cannot be searched; the dialog reaches every file.
	const found = await vscode.workspace.findFiles(MODEL_PATTERN, '**/node_modules/**', MAX_OFFERED).then(
		(uris) => uris,
		() => [],
	);
	const near = (uri: vscode.Uri) => (first !== undefined && folderOf(uri) === folderOf(first) ? 0 : 1);
	const models = found
		.filter((uri) => uri.toString() !== first?.toString())
		.sort((x, y) => near(x) - near(y) || x.path.localeCompare(y.path));
	const icon = new vscode.ThemeIcon('folder-opened');
	const browse = { label: vscode.l10n.t('Browse…'), iconPath: icon, description: '', uri: undefined };
	const items = models.map((uri) => ({ label: baseName(uri), description: folderOf(uri), uri }));
	if (items.length > 0) {
		const chosen = await pickOne([...items, browse], { title, matchOnDescription: true });
		if (!chosen || chosen.uri) {
			return chosen?.uri;
		}
	}
	const picked = await vscode.window.showOpenDialog({
		title,
		openLabel: vscode.l10n.t('Compare'),
		...(first && { defaultUri: vscode.Uri.joinPath(first, '..') }),
		filters: modelFilters(),
	});
	return picked?.[0];
}

function folderOf(uri: vscode.Uri): string {
	return vscode.workspace.asRelativePath(vscode.Uri.joinPath(uri, '..'));
}
