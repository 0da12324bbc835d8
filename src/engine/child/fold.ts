import { planFold } from '../../core/folding/rewrite/fold-model.js';
import { FOLD_FORMAT, FOLD_VERSION, type FoldResult } from '../../core/report/fold-result.js';
import { formatWords } from '../../core/report/formats.js';
import type { OutputComparison } from '../../core/report/output-comparison.js';
import { shortNumber } from '../../core/text/numbers.js';
import type { FoldOptions, ModelLocation } from '../../protocol/host-engine.js';
import { compareFiles, outputContext } from './compare.js';
import { requireExternalFiles } from './model/external-data.js';
import { type OpenedModel, openModel } from './model/opened-model.js';
import { openWritten, publishWritten, removeUnfinished, requireOutput, writeEdited } from './model/written-model.js';
import { compareOutputs, DeployedRunError } from './outputs/compare-outputs.js';
import { RuntimeError } from './runtime/runtime.js';
import type { TaskPorts } from './task-ports.js';
import { InputError } from './tensors/errors.js';

type FoldPorts = Pick<TaskPorts, 'runtime' | 'emit'>;

/**
 * Writes a model with every foldable BatchNormalization folded and every other byte unchanged, then verifies the file:
 * its parameters against the original's, layer by layer, and its outputs on the same input. The file gets its final name
 * only after it has passed.
 * @throws {OnnxError | InputError | WriteError} after all written files were removed.
 */
export async function fold(location: ModelLocation, options: FoldOptions, ports: FoldPorts): Promise<FoldResult> {
	ports.emit({ type: 'progress', stage: 'opening', done: 0, total: 1 });
	const file = await openModel(location);
	try {
		refuseCheckpoint(file);
		await requireExternalFiles(file);
		await requireOutput(file, options.output);
		const { edits, folded, kept } = await planFold(file.model, file.access);
		const result = { format: FOLD_FORMAT, version: FOLD_VERSION, model: location.path, folded, kept } as const;
		if (folded.length === 0) {
			return { ...result, written: null, outputs: { status: 'skipped', reason: 'Nothing was folded.' } };
		}
		ports.emit({ type: 'progress', stage: 'writing', done: 0, total: 1 });
		const bytes = await writeEdited(file, edits, options);
		const outputs = await verify(file, options, ports);
		await publishWritten(options);
		return { ...result, written: { path: options.output, bytes }, outputs };
	} finally {
		await removeUnfinished(options);
		await file.close();
	}
}

/** @throws {InputError} for weights without a graph */
function refuseCheckpoint({ model, checkpoint }: OpenedModel): void {
	if (checkpoint) {
		throw new InputError(
			`${model.path} is a ${formatWords(model)}, which has no graph to fold in: export the model to ONNX and fold that file.`,
		);
	}
}

/** Compares the written file with the original. @throws {InputError} if they differ by more than rounding. */
async function verify(original: OpenedModel, options: FoldOptions, ports: FoldPorts): Promise<OutputComparison> {
	const deployed = await openWritten(original, options);
	try {
		const comparison = await compareFiles(original, deployed, ports);
		const wrong = comparison.layers.find(({ status }) => status === 'mismatch');
		if (wrong) {
			throw failed(`layer ${wrong.name} does not compare as it should: ${wrong.evidence}`);
		}
		const pair = { original, deployed, comparison };
		const { outputs } = await compareOutputs(pair, options, outputContext(ports));
		if (outputs.status === 'mismatch') {
			const [error, bound] = [outputs.maxAbs, outputs.bound].map((value) => shortNumber(value ?? Number.NaN));
			throw failed(`its outputs differ by ${error}, where rounding explains ${bound}.`);
		}
		return outputs;
	} catch (error) {
		if (error instanceof DeployedRunError) {
			throw failed(error.message);
		}
		// Parameters alone verify a model that does not run here.
		if (error instanceof RuntimeError) {
			return { status: 'skipped', reason: error.message };
		}
		throw error;
	} finally {
		await deployed.close();
	}
}

function failed(why: string): InputError {
	return new InputError(`The folded model did not pass its verification and was not written: ${why}`);
}
