import path from 'node:path';
import { compareModels } from '../../core/folding/compare/compare.js';
import type { Comparison } from '../../core/report/comparison.js';
import type { OutputComparison } from '../../core/report/output-comparison.js';
import type { CompareOptions, ModelLocation } from '../../protocol/host-engine.js';
import { requireExternalFiles } from './model/external-copies.js';
import { type OpenedModel, openModel } from './model/opened-model.js';
import { compareOutputs, type ModelPair, type OutputContext } from './outputs/compare-outputs.js';
import { RuntimeError } from './runtime/runtime.js';
import type { TaskPorts } from './task-ports.js';
import { InputError } from './tensors/errors.js';

type ComparePorts = Pick<TaskPorts, 'runtime' | 'emit'>;

/**
 * Compares two models: first their files, layer by layer, then, if the runtime takes them, their outputs on the same input.
 * Models given in the wrong order are exchanged, and a note says so.
 * @throws {OnnxError} if a file cannot be read as a model, or its external data are missing.
 */
export async function compare(
	originalLocation: ModelLocation,
	deployedLocation: ModelLocation,
	options: CompareOptions,
	ports: ComparePorts,
): Promise<Comparison> {
	ports.emit({ type: 'progress', stage: 'opening', done: 0, total: 1 });
	const first = await openModel(originalLocation);
	try {
		const second = await openModel(deployedLocation);
		try {
			await requireExternalFiles(first);
			await requireExternalFiles(second);
			// The model with normalization layers is the original, in either order.
			const isSwapped = first.layers.length === 0 && second.layers.length > 0;
			const [original, deployed] = isSwapped ? [second, first] : [first, second];
			const comparison = await compareFiles(original, deployed, ports);
			const outputs = await tryOutputs({ original, deployed, comparison }, options, ports);
			const notes = isSwapped ? [swappedNote(original, deployed), ...comparison.notes] : comparison.notes;
			return { ...comparison, notes, outputs };
		} finally {
			await second.close();
		}
	} finally {
		await first.close();
	}
}

/** Compares the files layer by layer, without running the models. */
export function compareFiles(
	original: OpenedModel,
	deployed: OpenedModel,
	ports: Pick<TaskPorts, 'emit'>,
): Promise<Comparison> {
	return compareModels(original, deployed, {
		onProgress: (done, total) => ports.emit({ type: 'progress', stage: 'comparing', done, total }),
	});
}

function swappedNote({ model: original, layers }: OpenedModel, { model: deployed }: OpenedModel): string {
	const count = `${layers.length} BatchNormalization layer${layers.length === 1 ? '' : 's'}`;
	const [named, taken] = distinctNames(deployed.path, original.path);
	return `${named} was named first but has no BatchNormalization; ${taken} has ${count} and was taken for the original.`;
}

/** Returns the names of two files; their whole paths if the names are equal. */
function distinctNames(a: string, b: string): readonly [string, string] {
	const [nameA, nameB] = [path.basename(a), path.basename(b)];
	return nameA === nameB ? [a, b] : [nameA, nameB];
}

/** Compares the models' outputs. Returns the reason if a run fails, so that the comparison of the files remains. */
async function tryOutputs(pair: ModelPair, options: CompareOptions, ports: ComparePorts): Promise<OutputComparison> {
	if (!options.run) {
		return { status: 'skipped', reason: 'Running was switched off.' };
	}
	if (pair.comparison.layers.length === 0) {
		return { status: 'skipped', reason: 'The models have no BatchNormalization to compare.' };
	}
	if (pair.comparison.layers.every(({ into, status }) => into === null && status !== 'kept')) {
		return { status: 'skipped', reason: 'No layer has a counterpart, so these are not two forms of one network.' };
	}
	try {
		return await compareOutputs(pair, options, outputContext(ports));
	} catch (error) {
		if (error instanceof RuntimeError || error instanceof InputError) {
			return { status: 'skipped', reason: error.message };
		}
		throw error;
	}
}

/** Loads the runtime and sends the stages of a comparison of outputs as progress. @throws {RuntimeError} */
export function outputContext({ runtime, emit }: ComparePorts): OutputContext {
	return { runtime: runtime(), progress: (stage) => emit({ type: 'progress', stage, done: 0, total: 1 }) };
}
