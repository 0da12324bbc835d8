import path from 'node:path';
import { compareModels } from '../../core/folding/compare/compare.js';
import type { Comparison, OutputComparison } from '../../core/report/comparison.js';
import type { CompareOptions, ModelLocation } from '../../protocol/host-engine.js';
import { requireExternalFiles } from './model/external-copies.js';
import { type ModelFile, openModelFile } from './model/model-file.js';
import { compareOutputs, type OutputPair, type OutputPorts } from './outputs/compare-outputs.js';
import { RuntimeError } from './runtime/runtime.js';
import { InputError } from './tensors/errors.js';

/**
 * Compares two models: first what their files say, layer by layer, then, where the runtime can, what they compute on the
 * same input. Given in the wrong order they are exchanged, which a note says.
 * @throws {OnnxError} when a file cannot be read as a model, or its external data are not there.
 */
export async function compare(
	original: ModelLocation,
	deployed: ModelLocation,
	options: CompareOptions,
	ports: OutputPorts,
): Promise<Comparison> {
	ports.emit({ type: 'progress', stage: 'opening', done: 0, total: 1 });
	const first = await openModelFile(original);
	try {
		const second = await openModelFile(deployed);
		try {
			await requireExternalFiles(first);
			await requireExternalFiles(second);
			// The model with normalization layers is the one that was folded, whichever was named first.
			const isSwapped = first.layers.length === 0 && second.layers.length > 0;
			const [own, other] = isSwapped ? [second, first] : [first, second];
			const comparison = await compareFiles(own, other, ports);
			const outputs = await tryOutputs({ own, other, comparison }, options, ports);
			const notes = isSwapped ? [swappedNote(own, other), ...comparison.notes] : comparison.notes;
			return { ...comparison, notes, outputs };
		} finally {
			await second.close();
		}
	} finally {
		await first.close();
	}
}

/** What the files say, without running anything. */
export function compareFiles(own: ModelFile, other: ModelFile, ports: Pick<OutputPorts, 'emit'>): Promise<Comparison> {
	return compareModels(own, other, {
		onProgress: (done, total) => ports.emit({ type: 'progress', stage: 'comparing', done, total }),
	});
}

function swappedNote({ model: original, layers }: ModelFile, { model: deployed }: ModelFile): string {
	const count = `${layers.length} BatchNormalization layer${layers.length === 1 ? '' : 's'}`;
	const [named, taken] = distinctNames(deployed.path, original.path);
	return `${named} was named first but has no BatchNormalization; ${taken} has ${count} and was taken for the original.`;
}

/** What the two files are called, with their folders where only those tell them apart. */
function distinctNames(a: string, b: string): readonly [string, string] {
	const [nameA, nameB] = [path.basename(a), path.basename(b)];
	return nameA === nameB ? [a, b] : [nameA, nameB];
}

/** A run that fails leaves the comparison of the files as the result, with the reason. */
async function tryOutputs(pair: OutputPair, options: CompareOptions, ports: OutputPorts): Promise<OutputComparison> {
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
		return await compareOutputs(pair, options, ports);
	} catch (error) {
		if (error instanceof RuntimeError || error instanceof InputError) {
			return { status: 'skipped', reason: error.message };
		}
		throw error;
	}
}
