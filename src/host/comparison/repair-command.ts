import * as vscode from 'vscode';
import { driftInTraining } from '../../core/inspection/layer-drift.js';
import type { RepairResult } from '../../core/report/repair-result.js';
import { withEngineProgress } from '../model/engine-progress.js';
import { locateModel } from '../model/load-model.js';
import type { HostServices } from '../model/model-document.js';
import type { ModelSession } from '../model/model-session.js';
import { UserError } from '../shared/describe-error.js';
import { freeName } from '../shared/free-name.js';
import { showMessage } from '../shared/messages.js';
import { readSettings } from '../shared/settings.js';
import { baseName } from './comparisons.js';
import type { ModelPair } from './model-pair.js';

/** Maximum number of parts in the message. The log lists all. */
const MAX_LISTED = 3;

/**
 * Writes the deployed model of a comparison with its wrong layers put right, and shows the result.
 * @param target file to write; undefined to ask the user
 */
export async function repairDeployed(
	services: HostServices,
	{ original, deployed }: ModelPair,
	target: vscode.Uri | undefined,
): Promise<RepairResult | undefined> {
	const output = target ?? (await chooseTarget(deployed, vscode.l10n.t('Save repaired model'), 'repaired'));
	const result = output && (await repair(services, { model: deployed, original }, output));
	if (output && result) {
		offer(result, { output, original });
	}
	return result;
}

/**
 * Writes an inference model of a training export, and shows the result. Warns first if the stored statistics do not fit
 * the data of the last run, because inference uses them.
 * @param session of the model if it is open
 * @param target file to write; undefined to ask the user
 */
export async function saveInferenceModel(
	services: HostServices,
	model: vscode.Uri,
	{ session, target }: { readonly session: ModelSession | undefined; readonly target: vscode.Uri | undefined },
): Promise<RepairResult | undefined> {
	const drifting = session?.report?.layers.filter(
		(layer) =>
			driftInTraining(layer) ||
			layer.findings.some(({ code }) => code === 'statistics-drift' || code === 'never-updated'),
	).length;
	if (drifting && !target && !(await confirmDrift(model, drifting))) {
		return undefined;
	}
	const output = target ?? (await chooseTarget(model, vscode.l10n.t('Save as inference model'), 'inference'));
	const result = output && (await repair(services, { model }, output));
	if (output && result) {
		offer(result, { output });
	}
	return result;
}

/** @returns true to save the model all the same. */
async function confirmDrift(model: vscode.Uri, layers: number): Promise<boolean> {
	const [reestimate, save] = [vscode.l10n.t('Re-estimate Statistics…'), vscode.l10n.t('Save Anyway')];
	const { t } = vscode.l10n;
	const text =
		layers === 1
			? t(
					'In inference the stored statistics count, and those of one layer do not fit the data of the last run, or were never trained. Compute them from data like those of training first.',
				)
			: t(
					'In inference the stored statistics count, and those of {0} layers do not fit the data of the last run, or were never trained. Compute them from data like those of training first.',
					layers,
				);
	const choice = await showMessage('warning', text, reestimate, save);
	if (choice === reestimate) {
		await vscode.commands.executeCommand('batchnormLens.reestimate', model);
	}
	return choice === save;
}

async function chooseTarget(model: vscode.Uri, title: string, suffix: string): Promise<vscode.Uri | undefined> {
	const name = `${baseName(model).replace(/\.onnx$/i, '')}.${suffix}.onnx`;
	return vscode.window.showSaveDialog({
		title,
		defaultUri: await freeName(vscode.Uri.joinPath(model, '..', name)),
		filters: { [vscode.l10n.t('ONNX models')]: ['onnx'] },
	});
}

interface RepairedModels {
	readonly model: vscode.Uri;
	readonly original?: vscode.Uri;
}

/** @returns undefined when the user cancels. @throws {UserError} without trust, or for a file on no local disk */
async function repair(
	{ engine, log }: HostServices,
	{ model, original }: RepairedModels,
	output: vscode.Uri,
): Promise<RepairResult | undefined> {
	if (!vscode.workspace.isTrusted) {
		throw new UserError(
			vscode.l10n.t('A repair runs the model to verify the result, so it needs a trusted workspace.'),
		);
	}
	if (output.scheme !== 'file') {
		throw new UserError(
			vscode.l10n.t('{0} is not on a disk that the engine can write. Choose a local file.', output.path),
		);
	}
	const title = vscode.l10n.t('Repairing {0}', baseName(model));
	const result = await withEngineProgress(title, async (signal, show) => {
		const { batch, seed } = readSettings(model);
		const models = { model: await locateModel(model), ...(original && { original: await locateModel(original) }) };
		return engine.repair(models, { output: output.fsPath, batch, seed }, { signal, onEvent: show });
	});
	for (const { name, op, change } of result?.repaired ?? []) {
		log.info(`${baseName(model)}: ${name}: ${op} ${change}`);
	}
	for (const { name, reason } of result?.unrepaired ?? []) {
		log.info(`${baseName(model)}: ${name} was not repaired: ${reason}`);
	}
	return result;
}

/** Returns at once: the message stays until the user closes it. */
function offer(
	result: RepairResult,
	{ output, original }: { readonly output: vscode.Uri; readonly original?: vscode.Uri },
): void {
	const isRight = result.unrepaired.length === 0 && result.check.status === 'match';
	const severity = isRight ? 'information' : 'warning';
	if (!result.written) {
		void showMessage(severity, repairSummary(result));
		return;
	}
	const [compare, open] = [vscode.l10n.t('Compare'), vscode.l10n.t('Open')];
	const choices = original ? [compare, open] : [open];
	showMessage(severity, repairSummary(result), ...choices).then((choice) => {
		if (choice === compare && original) {
			void vscode.commands.executeCommand('batchnormLens.compare', original, output);
		} else if (choice === open) {
			void vscode.commands.executeCommand('batchnormLens.inspect', output);
		}
	});
}

/** Returns the counts, the reasons of parts that could not be repaired, the notes, and the verification. */
export function repairSummary(result: RepairResult): string {
	const { model, original, written, examined, repaired, unrepaired, notes, check } = result;
	const { t } = vscode.l10n;
	const told = unrepaired.slice(0, MAX_LISTED).map(({ name, reason }) => `${name}: ${reason}`);
	const more = unrepaired.length - told.length;
	const why = [...told, ...(more > 0 ? [t('{0} more, see the log', more)] : [])].join('. ');
	const what = written
		? original === undefined
			? t('Operators switched to inference: {0} of {1}.', repaired.length, examined)
			: t('Layers repaired: {0} of {1}.', repaired.length, examined)
		: unrepaired.length === 0 && check.status !== 'mismatch'
			? t('{0} needs no repair, so nothing was written.', model)
			: t('{0} could not be repaired, so nothing was written.', model);
	const verdict = check.status === 'match' ? check.evidence : check.reason;
	return [what, ...(why === '' ? [] : [t('Not repaired: {0}.', why)]), ...notes, verdict].join(' ');
}
