import * as vscode from 'vscode';
import { foldReasons } from '../../core/report/fold-reasons.js';
import type { FoldResult } from '../../core/report/fold-result.js';
import { withEngineProgress } from '../model/engine-progress.js';
import { locateModel } from '../model/load-model.js';
import type { HostServices } from '../model/model-document.js';
import { UserError } from '../shared/describe-error.js';
import { freeName } from '../shared/free-name.js';
import { showMessage } from '../shared/messages.js';
import { readSettings } from '../shared/settings.js';
import { baseName } from './comparisons.js';

/** Maximum number of layers in the message. The log lists all. */
const MAX_LISTED = 3;

/**
 * Folds a model into a chosen file and shows the result.
 * @param target File to write; undefined to ask the user.
 */
export async function foldModel(
	{ engine, log }: HostServices,
	model: vscode.Uri,
	target: vscode.Uri | undefined,
): Promise<void> {
	if (!vscode.workspace.isTrusted) {
		const why = 'Folding runs the model to verify the result, so it needs a trusted workspace.';
		throw new UserError(vscode.l10n.t(why));
	}
	const output = target ?? (await chooseTarget(model));
	if (!output) {
		return;
	}
	if (output.scheme !== 'file') {
		throw new UserError(
			vscode.l10n.t('{0} is not on a disk that the engine can write. Choose a local file.', output.path),
		);
	}
	const title = vscode.l10n.t('Folding {0}', baseName(model));
	const result = await withEngineProgress(title, async (signal, show) => {
		const { batch, seed } = readSettings(model);
		const options = { output: output.fsPath, batch, seed };
		return engine.fold(await locateModel(model), options, { signal, onEvent: show });
	});
	if (result) {
		for (const { name, reasons } of result.kept) {
			log.info(`${baseName(model)}: ${name} was not folded: ${foldReasons(reasons)}`);
		}
		showResult(result, model, output);
	}
}

async function chooseTarget(model: vscode.Uri): Promise<vscode.Uri | undefined> {
	const name = `${baseName(model).replace(/\.onnx$/i, '')}.folded.onnx`;
	return vscode.window.showSaveDialog({
		title: vscode.l10n.t('Save folded model'),
		defaultUri: await freeName(vscode.Uri.joinPath(model, '..', name)),
		filters: { [vscode.l10n.t('ONNX models')]: ['onnx'] },
	});
}

/** Returns at once: the message stays until the user closes it. */
function showResult(result: FoldResult, model: vscode.Uri, output: vscode.Uri): void {
	const text = foldSummary(result);
	if (!result.written) {
		void showMessage('warning', text);
		return;
	}
	const compare = vscode.l10n.t('Compare');
	const open = vscode.l10n.t('Open');
	showMessage('information', text, compare, open).then((choice) => {
		if (choice === compare) {
			void vscode.commands.executeCommand('batchnormLens.compare', model, output);
		} else if (choice === open) {
			void vscode.commands.executeCommand('batchnormLens.inspect', output);
		}
	});
}

/** Returns the counts of layers, the result of comparing outputs, and the reasons of layers that were not folded. */
export function foldSummary({ model, written, folded, kept, outputs }: FoldResult): string {
	const all = folded.length + kept.length;
	if (all === 0) {
		return vscode.l10n.t('{0} has no BatchNormalization layers, so nothing was written.', model);
	}
	const told = kept.slice(0, MAX_LISTED).map(({ name, reasons }) => `${name}: ${foldReasons(reasons)}`);
	const more = kept.length - told.length;
	const why = [...told, ...(more > 0 ? [vscode.l10n.t('{0} more, see the log', more)] : [])].join('. ');
	const what = written
		? vscode.l10n.t('Folded {0} of {1} BatchNorm layers.', folded.length, all)
		: vscode.l10n.t('None of {0} BatchNorm layers can be folded, so nothing was written.', all);
	const unverified = folded.filter((layer) => layer.unverified !== undefined);
	const parts = unverified.length > 0 ? vscode.l10n.t(' No run verified {0} of them.', unverified.length) : '';
	const whole =
		outputs.status === 'match'
			? vscode.l10n.t(' The outputs are the same.')
			: written
				? vscode.l10n.t(' The outputs were not compared: {0}', outputs.reason ?? '')
				: '';
	const verified = `${parts}${whole}`;
	return kept.length > 0 ? `${what}${verified} ${vscode.l10n.t('Not folded: {0}.', why)}` : `${what}${verified}`;
}
