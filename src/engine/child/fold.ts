import { planFold } from '../../core/folding/rewrite/fold-model.js';
import type { FoldRegion } from '../../core/folding/rewrite/fold-region.js';
import type { FoldReason } from '../../core/report/fold-reasons.js';
import { FOLD_FORMAT, FOLD_VERSION, type FoldedLayer, type FoldResult } from '../../core/report/fold-result.js';
import type { OutputComparison } from '../../core/report/output-comparison.js';
import { shortNumber } from '../../core/text/numbers.js';
import type { FoldOptions, ModelLocation } from '../../protocol/host-engine.js';
import { outputContext } from './compare.js';
import { requireExternalFiles } from './model/external-data.js';
import { type OpenedModel, openModel, requireGraph } from './model/opened-model.js';
import { openWritten, publishWritten, removeUnfinished, requireOutput, writeEdited } from './model/written-model.js';
import { compareOutputs, DeployedRunError, type OutputRun } from './outputs/compare-outputs.js';
import { captureTensors } from './regions/capture-inputs.js';
import { type RegionVerdict, verifyRegions } from './regions/verify-regions.js';
import { RuntimeError } from './runtime/runtime.js';
import type { TaskPorts } from './task-ports.js';
import { InputError } from './tensors/errors.js';

type FoldPorts = Pick<TaskPorts, 'runtime' | 'emit'>;

/**
 * Writes a model with every foldable BatchNormalization folded and every other byte unchanged. Verifies each folded
 * operator by itself on random input, and the outputs of the whole model. The file gets its final name only after that.
 * @throws {OnnxError | InputError | WriteError} after all written files were removed.
 */
export async function fold(location: ModelLocation, options: FoldOptions, ports: FoldPorts): Promise<FoldResult> {
	ports.emit({ type: 'progress', stage: 'opening', done: 0, total: 1 });
	const file = await openModel(location);
	try {
		requireGraph(file, 'to fold in');
		await requireExternalFiles(file);
		await requireOutput(file, options.output);
		const result = await foldVerified(file, options, ports);
		if (result.written) {
			await publishWritten(options);
		}
		return { format: FOLD_FORMAT, version: FOLD_VERSION, model: location.path, ...result };
	} finally {
		await removeUnfinished(options);
		await file.close();
	}
}

type VerifiedFold = Omit<FoldResult, 'format' | 'version' | 'model'>;

/**
 * Writes the temporary file with every layer folded that passes its verification. A layer that does not pass stays a
 * layer, and the file is written again.
 */
async function foldVerified(file: OpenedModel, options: FoldOptions, ports: FoldPorts): Promise<VerifiedFold> {
	const excluded = new Map<string, FoldReason>();
	for (;;) {
		const { treatsInputsAsConstants = false } = options;
		const plan = await planFold(file.model, file.access, { excluded, treatsInputsAsConstants });
		const { folded, kept } = plan;
		if (folded.length === 0) {
			return { folded, kept, written: null, outputs: { status: 'skipped', reason: 'Nothing was folded.' } };
		}
		ports.emit({ type: 'progress', stage: 'writing', done: 0, total: 1 });
		const bytes = await writeEdited(file, plan.edits, options);
		const deployed = await openWritten(file, options);
		try {
			const verdicts = await verifyParts(file, deployed, plan.regions, { options, ports });
			const refused = plan.regions.flatMap((region, index) => refusedLayers(region, verdicts[index]));
			if (refused.length === 0) {
				const outputs = await verifyOutputs(file, deployed, { options, ports });
				const written = { path: options.output, bytes };
				return { folded: withVerdicts(folded, plan.regions, verdicts), kept, written, outputs };
			}
			for (const [name, reason] of refused) {
				excluded.set(name, reason);
			}
		} finally {
			await deployed.close();
		}
	}
}

interface VerifyContext {
	readonly options: FoldOptions;
	readonly ports: FoldPorts;
}

async function verifyParts(
	original: OpenedModel,
	deployed: OpenedModel,
	regions: readonly FoldRegion[],
	{ options, ports }: VerifyContext,
): Promise<readonly RegionVerdict[]> {
	ports.emit({ type: 'progress', stage: 'comparing', done: 0, total: 1 });
	const doubtful = regions.filter(
		({ evidence, front, path: graph }) => (evidence !== 'inferred' || front !== undefined) && graph === '',
	);
	try {
		const runtime = ports.runtime();
		const names = doubtful.map(({ input }) => input);
		const captured = await captureTensors(original, names, options, runtime);
		return await verifyRegions({ original, deployed, captured }, regions, runtime, options.seed);
	} catch (error) {
		if (error instanceof RuntimeError) {
			return regions.map(() => ({ status: 'unverified', reason: error.message }));
		}
		throw error;
	}
}

/** Returns the layers of a region that cannot fold, with reasons. */
function refusedLayers({ layers, evidence }: FoldRegion, verdict: RegionVerdict): [string, FoldReason][] {
	if (verdict.status === 'mismatch') {
		return layers.map((name) => [name, 'failed-verification']);
	}
	return verdict.status === 'unverified' && evidence !== 'inferred'
		? layers.map((name) => [name, 'unproven-shape'])
		: [];
}

/** Adds the reason to each layer that no run could verify. */
function withVerdicts(
	folded: readonly FoldedLayer[],
	regions: readonly FoldRegion[],
	verdicts: readonly RegionVerdict[],
): readonly FoldedLayer[] {
	const reasons = new Map<string, string>();
	for (const [index, { layers }] of regions.entries()) {
		const verdict = verdicts[index];
		for (const name of verdict.status === 'unverified' ? layers : []) {
			reasons.set(name, verdict.status === 'unverified' ? verdict.reason : '');
		}
	}
	return folded.map((layer) => {
		const unverified = reasons.get(layer.name);
		return unverified === undefined ? layer : { ...layer, unverified };
	});
}

/** Compares the outputs of both models. @throws {InputError} if they differ by more than rounding. */
async function verifyOutputs(
	original: OpenedModel,
	deployed: OpenedModel,
	{ options: { batch, seed }, ports }: VerifyContext,
): Promise<OutputComparison> {
	const pair = { original, deployed, comparison: { layers: [] } };
	const outputs = await tryOutputs(() => compareOutputs(pair, { batch, seed }, outputContext(ports)));
	if (outputs.status === 'mismatch') {
		const [error, bound] = [outputs.maxAbs, outputs.bound].map((value) => shortNumber(value ?? Number.NaN));
		throw failed(`its outputs differ by ${error}, where rounding explains ${bound}.`);
	}
	return outputs;
}

/** Returns the reason if a model does not run as a whole: its parts are verified without. @throws {InputError} */
async function tryOutputs(compare: () => Promise<OutputRun>): Promise<OutputComparison> {
	try {
		return (await compare()).outputs;
	} catch (error) {
		if (error instanceof DeployedRunError) {
			throw failed(error.message);
		}
		if (error instanceof RuntimeError || error instanceof InputError) {
			return { status: 'skipped', reason: error.message };
		}
		throw error;
	}
}

function failed(why: string): InputError {
	return new InputError(`The folded model did not pass its verification and was not written: ${why}`);
}
