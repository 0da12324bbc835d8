import * as vscode from 'vscode';
import { reestimationMarkdown } from '../../core/report/export/reestimation-markdown.js';
import type { ReestimationResult } from '../../core/report/reestimation.js';
import type { InputFile, ReestimateOptions } from '../../protocol/host-engine.js';
import { UserError } from '../shared/describe-error.js';
import { freeName } from '../shared/free-name.js';
import { pickOne, showMessage } from '../shared/messages.js';
import { readSettings } from '../shared/settings.js';
import { withEngineProgress } from './engine-progress.js';
import { pickFiles } from './input-files.js';
import { loadModel, locateModel } from './load-model.js';
import type { HostServices } from './model-document.js';
import type { ModelSession } from './model-session.js';
import { NO_PLAN, type RunPlan, runOptions } from './run-plan.js';

/** The user's choices: data, size of the batches or the sequential mode, and the file to write. */
export interface ReestimateChoices {
	readonly inputs: readonly InputFile[];
	readonly batches: Pick<ReestimateOptions, 'batch' | 'mode'>;
	readonly output: vscode.Uri;
}

/**
 * Writes a copy of a model with running statistics computed from data, and shows the changes.
 * @param session of the model if it is open, with the files of its last run
 * @param given choices that the user is not asked for
 */
export async function reestimateModel(
	{ engine }: HostServices,
	model: vscode.Uri,
	session: ModelSession | undefined,
	given: Partial<ReestimateChoices> = {},
): Promise<ReestimationResult | undefined> {
	if (!vscode.workspace.isTrusted) {
		throw new UserError(
			vscode.l10n.t('Computing statistics runs the model on your data, so it needs a trusted workspace.'),
		);
	}
	const plan = session?.plan ?? NO_PLAN;
	const inputs = given.inputs ?? (await chooseData(model, plan));
	const batches = inputs && (given.batches ?? (await chooseBatches()));
	const output = batches && (given.output ?? (await chooseTarget(model)));
	if (!output) {
		return undefined;
	}
	if (output.scheme !== 'file') {
		throw new UserError(
			vscode.l10n.t('{0} is not on a disk that the engine can write. Choose a local file.', output.path),
		);
	}
	const { dimensions, normalize, colors, memoryBudget } = runOptions(plan, readSettings(model));
	const options = {
		inputs,
		...batches,
		output: output.fsPath,
		...(dimensions && { dimensions }),
		...(normalize && { normalize }),
		...(colors && { colors }),
		...(memoryBudget !== undefined && { memoryBudget }),
	};
	const title = vscode.l10n.t('Computing statistics of {0}', vscode.workspace.asRelativePath(model));
	const result = await withEngineProgress(title, async (signal, show) =>
		engine.reestimate(await locateModel(model), options, { signal, onEvent: show }),
	);
	if (result) {
		offerResult(result, output);
	}
	return result;
}

/** Lets the user choose the data: the files of the last run, a folder, or files. */
async function chooseData(model: vscode.Uri, plan: RunPlan): Promise<readonly InputFile[] | undefined> {
	const { t } = vscode.l10n;
	const from = (kind: 'folder' | 'files') => async () => {
		const inputs = (await loadModel(model)).inputs.map(({ name }) => name);
		const files: InputFile[] = [];
		for (const input of inputs) {
			const paths = await pickFiles(model, input, kind);
			if (!paths) {
				return undefined;
			}
			files.push(...paths.map((path) => ({ input, path })));
		}
		return files;
	};
	const last = {
		label: t('The files of the last run'),
		detail: plan.files.map(({ path }) => path).join(', '),
		files: async () => plan.files,
	};
	const items = [
		...(plan.files.length > 0 ? [last] : []),
		{
			label: t('A folder of images or arrays…'),
			detail: t('In the order of their names. Shuffle sorted classes, so that batches mix them.'),
			files: from('folder'),
		},
		{
			label: t('Files…'),
			detail: t('Images, or arrays with one or many samples: .npy, .npz, .pb'),
			files: from('files'),
		},
	];
	const title = t('Data like those that the model was trained on');
	return (await pickOne(items, { title }))?.files();
}

async function chooseBatches(): Promise<ReestimateChoices['batches'] | undefined> {
	const { t } = vscode.l10n;
	const sizes: readonly (readonly [size: number, detail?: string])[] = [
		[32, t('Best is the size used in training. The last batch has the rest, and weighs less.')],
		[8, t('Takes little memory. Few samples give noise, which all layers behind see.')],
		[16],
		[64],
		[128],
		[256, t('Takes much memory: the values of a layer stay until the batch is done.')],
	];
	const items: readonly (vscode.QuickPickItem & { readonly value: ReestimateChoices['batches'] })[] = [
		...sizes.map(([batch, detail]) => ({
			label: t('Batches of {0}', batch),
			...(detail !== undefined && { detail }),
			value: { batch },
		})),
		{
			label: t('Layer by layer'),
			detail: t('For single images: one value has no variance. Slower, without any batches.'),
			value: { mode: 'sequential' },
		},
	];
	const placeHolder = t('Each layer normalizes with the statistics of its batch, as in training');
	return (await pickOne(items, { title: t('Samples in a batch'), placeHolder }))?.value;
}

async function chooseTarget(model: vscode.Uri): Promise<vscode.Uri | undefined> {
	const name =
		model.path
			.split('/')
			.at(-1)
			?.replace(/\.onnx$/i, '') ?? 'model';
	return vscode.window.showSaveDialog({
		title: vscode.l10n.t('Save the model with new statistics'),
		defaultUri: await freeName(vscode.Uri.joinPath(model, '..', `${name}.reestimated.onnx`)),
		filters: { [vscode.l10n.t('ONNX models')]: ['onnx'] },
	});
}

/** Returns at once: the message stays until the user closes it. */
function offerResult(result: ReestimationResult, output: vscode.Uri): void {
	const { check, layers, kept } = result;
	const [open, changes] = [vscode.l10n.t('Open'), vscode.l10n.t('Show Changes')];
	const words = check.status === 'match' ? check.evidence : check.reason;
	const left = kept.length > 0 ? vscode.l10n.t(' Layers with their old statistics: {0}.', kept.length) : '';
	const text = `${vscode.l10n.t('Layers with new statistics: {0}.', layers.length)}${left} ${words}`;
	showMessage(check.status === 'match' && kept.length === 0 ? 'information' : 'warning', text, open, changes).then(
		async (choice) => {
			if (choice === open) {
				await vscode.commands.executeCommand('batchnormLens.inspect', output);
			} else if (choice === changes) {
				const content = reestimationMarkdown(result);
				await vscode.window.showTextDocument(
					await vscode.workspace.openTextDocument({ content, language: 'markdown' }),
				);
			}
		},
	);
}
