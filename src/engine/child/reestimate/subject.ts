import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import { editedBytes, planEdits } from '../../../core/onnx/write/edit.js';
import { planInference } from '../../../core/repair/inference-plan.js';
import { unwritableReason } from '../../../core/repair/statistics-plan.js';
import type { KeptLayer } from '../../../core/report/reestimation.js';
import { count } from '../../../core/text/sentences.js';
import { inlineFunctions } from '../model/inline-functions.js';
import { type OpenedModel, openModel } from '../model/opened-model.js';
import { InputError } from '../tensors/errors.js';

/** A model and its layers with statistics that can be written. */
export interface Subject {
	readonly file: OpenedModel;
	/** The model to run: the file with its training operators switched to inference. Layer indices are the same. */
	readonly running: OpenedModel;
	/** Indices of the layers to re-estimate. */
	readonly layers: readonly number[];
	/** Indices of layers that normalize with the statistics of their own input, and stay that way. */
	readonly own: readonly number[];
	readonly kept: readonly KeptLayer[];
}

/** @throws {InputError} if no layer can be re-estimated */
export async function subjectOf(file: OpenedModel): Promise<Subject> {
	if (file.layers.length === 0) {
		throw new InputError(
			`${file.model.path} has no BatchNormalization to re-estimate: if its layers were folded, re-estimate the original and fold the result.`,
		);
	}
	const { edits, unrepaired } = await planInference(file, { replacesDropout: true });
	const training = new Map(unrepaired.map(({ name, reason }) => [name, reason]));
	const running = await runnable(edits.length === 0 ? file : await openEdited(file, edits), file);
	const layers: number[] = [];
	const own: number[] = [];
	const kept: KeptLayer[] = [];
	for (const [index, layer] of file.layers.entries()) {
		const unwritable =
			unwritableReason(layer) ??
			(running.layers[index]?.graphPath === ''
				? undefined
				: `it is inside ${layer.graphPath}, which cannot be replaced by its nodes`);
		const reason = unwritable ?? training.get(layer.name);
		if (reason === undefined) {
			layers.push(index);
			continue;
		}
		kept.push({ name: layer.name, reason });
		if (unwritable === undefined && layer.node.outputs.slice(1).every((name) => name === '')) {
			own.push(index);
		}
	}
	const [first] = kept;
	if (layers.length === 0 && first) {
		const which = kept.length === 1 ? `its layer ${first.name}` : `${first.name}, of ${count(kept.length, 'layer')},`;
		throw new InputError(
			`No statistics can be written into ${file.model.path}: ${which} cannot be re-estimated, because ${first.reason}.`,
		);
	}
	return { file, running, layers, own, kept };
}

/**
 * Returns a model whose layers can be run in stages: with the nodes of functions in place of their calls, if a function has
 * a layer whose statistics can be written.
 * @param file the model with the names of its layers
 */
export async function runnable(model: OpenedModel, file: OpenedModel): Promise<OpenedModel> {
	const isNeeded = file.layers.some((layer) => layer.graphPath !== '' && unwritableReason(layer) === undefined);
	const inlined = isNeeded ? await inlineFunctions(model) : undefined;
	return inlined
		? { ...inlined, layers: inlined.layers.map((layer, i) => withParameters(layer, file.layers[i])) }
		: model;
}

/** Returns the model with edits made, in memory; its external data stay beside the file. */
async function openEdited(file: OpenedModel, edits: Parameters<typeof planEdits>[1]): Promise<OpenedModel> {
	const bytes = await editedBytes(await planEdits(file.source, edits), file.source);
	const edited = await openModel({ path: file.model.path, bytes });
	// A model in memory cannot read external data; the parameters are the same.
	const layers = edited.layers.map((layer, index) => withParameters(layer, file.layers[index]));
	return { ...edited, layers, access: { ...file.access, source: edited.source }, folder: file.folder };
}

/** Returns a layer with name and parameters of the file. */
const withParameters = (layer: BatchNormLayer, file: BatchNormLayer): BatchNormLayer => {
	const { name, gamma, beta, mean, variance } = file;
	return { ...layer, name, gamma, beta, mean, variance };
};
