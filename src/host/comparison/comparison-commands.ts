import * as vscode from 'vscode';
import type { HostServices } from '../model/model-document.js';
import type { ModelEditors } from '../model/model-editors.js';
import { type ReestimateChoices, reestimateModel } from '../model/reestimate-command.js';
import { UserError } from '../shared/describe-error.js';
import type { ExportSource } from '../shared/export-file.js';
import { reportErrors } from '../shared/report-errors.js';
import { choosePair } from './compare-pair.js';
import type { Comparisons } from './comparisons.js';
import { exportOpenComparison } from './export-comparison.js';
import { foldModel } from './fold-command.js';
import type { ModelPair } from './model-pair.js';
import type { OpenComparison } from './open-comparison.js';
import { repairDeployed, saveInferenceModel } from './repair-command.js';

/** Objects that the commands use. */
export interface ComparisonParts {
	readonly editors: ModelEditors;
	readonly comparisons: Comparisons;
	readonly source: ExportSource;
}

/** Registers the commands that compare models or save changed models. */
export function registerComparisonCommands(
	{ editors, comparisons, source }: ComparisonParts,
	services: HostServices,
): vscode.Disposable {
	const register = (name: string, handler: (...args: unknown[]) => unknown) =>
		vscode.commands.registerCommand(`batchnormLens.${name}`, (...args: unknown[]) =>
			reportErrors(services.log, () => handler(...args)),
		);
	const onActive = (action: (open: OpenComparison) => unknown) => () => {
		if (!comparisons.active) {
			throw new UserError(vscode.l10n.t('Compare two models first, and show their comparison.'));
		}
		return action(comparisons.active);
	};
	return vscode.Disposable.from(
		register(
			'exportComparison',
			onActive((open) => exportOpenComparison(open, source)),
		),
		register(
			'compareAgain',
			onActive((open) => open.compare('same')),
		),
		register(
			'swapModels',
			onActive((open) => open.compare('swapped')),
		),
		register('compare', async (...args) => {
			const pair = await choosePair(args, editors.activeDocument?.uri);
			if (pair) {
				await comparisons.show(pair);
			}
		}),
		register('reestimate', async (clicked, choices) => {
			const model = clicked instanceof vscode.Uri ? clicked : (editors.activeDocument?.uri ?? (await pickModel()));
			const open = editors.activeDocument;
			if (!model) {
				return undefined;
			}
			const session = open?.uri.toString() === model.toString() ? open.session : undefined;
			// The explorer passes the list of selected files as second argument.
			const given = Array.isArray(choices) ? {} : ((choices ?? {}) as Partial<ReestimateChoices>);
			return reestimateModel(services, model, session, given);
		}),
		register('repair', (given, target) => {
			const pair = asPair(given) ?? (comparisons.active && rolesOf(comparisons.active));
			if (!pair) {
				throw new UserError(vscode.l10n.t('Compare two models first, and show their comparison.'));
			}
			return repairDeployed(services, pair, target instanceof vscode.Uri ? target : undefined);
		}),
		register('saveInference', async (clicked, target) => {
			const open = editors.activeDocument;
			const model = clicked instanceof vscode.Uri ? clicked : (open?.uri ?? (await pickModel()));
			const session = open?.uri.toString() === model?.toString() ? open?.session : undefined;
			const output = target instanceof vscode.Uri ? target : undefined;
			return model && saveInferenceModel(services, model, { session, target: output });
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

/** Returns the models in the roles of the comparison: the engine exchanges models given in the wrong order. */
function rolesOf({ pair, session }: OpenComparison): ModelPair {
	const { original, deployed } = pair;
	const isExchanged = session.comparison?.deployed.path === original.fsPath;
	return isExchanged ? { original: deployed, deployed: original } : pair;
}

/** Returns the pair that a caller passes; undefined for the arguments of a menu. */
function asPair(value: unknown): ModelPair | undefined {
	const { original, deployed } = Object(value) as Partial<Record<keyof ModelPair, unknown>>;
	return original instanceof vscode.Uri && deployed instanceof vscode.Uri ? { original, deployed } : undefined;
}

async function pickModel(): Promise<vscode.Uri | undefined> {
	const picked = await vscode.window.showOpenDialog({
		title: vscode.l10n.t('Choose a model'),
		filters: { [vscode.l10n.t('ONNX models')]: ['onnx'] },
	});
	return picked?.[0];
}
