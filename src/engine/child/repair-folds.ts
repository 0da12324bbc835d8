import type { ComparedFiles } from '../../core/folding/compare/compare.js';
import { isSettled, planFoldRepair } from '../../core/repair/fold-repair.js';
import type { Comparison, LayerComparison } from '../../core/report/comparison/comparison.js';
import { CHECKPOINT_OUTPUTS, isCheckpoint } from '../../core/report/formats.js';
import { REPAIR_FORMAT, REPAIR_VERSION, type RepairCheck, type RepairResult } from '../../core/report/repair-result.js';
import { ratioOf, shortNumber } from '../../core/text/numbers.js';
import { count } from '../../core/text/sentences.js';
import type { ModelLocation, RepairOptions } from '../../protocol/host-engine.js';
import { compareFilesAndRun } from './compare.js';
import { requireExternalFiles } from './model/external-data.js';
import { type OpenedModel, openModel, requireGraph } from './model/opened-model.js';
import { openWritten, publishWritten, removeUnfinished, requireOutput, writeEdited } from './model/written-model.js';
import type { TaskPorts } from './task-ports.js';

/**
 * Writes a deployed model with its wrong folds put right after the original, and every other byte unchanged. Verifies
 * the file before it gets its name: compares it with the original again, and runs both.
 * @throws {OnnxError | InputError | WriteError} after all written files were removed.
 */
export async function repairFolds(
	deployedLocation: ModelLocation,
	originalLocation: ModelLocation,
	options: RepairOptions,
	ports: TaskPorts,
): Promise<RepairResult> {
	ports.emit({ type: 'progress', stage: 'opening', done: 0, total: 1 });
	const original = await openModel(originalLocation);
	try {
		const deployed = await openModel(deployedLocation);
		try {
			requireGraph(deployed, 'to repair');
			for (const file of [original, deployed]) {
				await requireExternalFiles(file);
				await requireOutput(file, options.output);
			}
			const result = await repairVerified({ original, deployed }, options, ports);
			if (result.written) {
				await publishWritten(options);
			}
			const paths = { model: deployedLocation.path, original: originalLocation.path };
			return { format: REPAIR_FORMAT, version: REPAIR_VERSION, ...paths, ...result };
		} finally {
			await removeUnfinished(options);
			await deployed.close();
		}
	} finally {
		await original.close();
	}
}

interface Pair {
	readonly original: OpenedModel;
	readonly deployed: OpenedModel;
}

type VerifiedRepair = Omit<RepairResult, 'format' | 'version' | 'model' | 'original'>;

/**
 * Writes the temporary file. First repairs the layers that the run shows wrong. If a layer or the outputs stay wrong,
 * it also repairs the layers that only the files show wrong. For example, channels in another order spoil the layer
 * behind.
 */
async function repairVerified(pair: Pair, options: RepairOptions, ports: TaskPorts): Promise<VerifiedRepair> {
	ports.emit({ type: 'progress', stage: 'comparing', done: 0, total: 1 });
	const context = { options: { run: true, batch: options.batch, seed: options.seed }, ports };
	const files = await compareFilesAndRun(pair.original, pair.deployed, context);
	const { byFiles, comparison } = files;
	const suspects = comparison.layers.map((layer, index) =>
		isRight(layer) && byFiles?.[index].status === 'mismatch' ? byFiles[index] : layer,
	);
	const result = await repairLayers(pair, files, { options, context });
	const isWhole = result.unrepaired.length === 0 && result.check.status !== 'mismatch';
	if (
		isWhole ||
		comparison.outputs?.status !== 'mismatch' ||
		suspects.every((layer) => comparison.layers.includes(layer))
	) {
		return result;
	}
	const all = { ...files, comparison: { ...comparison, layers: suspects } };
	const further = await repairLayers(pair, all, { options, context });
	const isBetter = further.written !== null && further.check.status === 'match' && further.unrepaired.length === 0;
	// The first result is written again, because the second has replaced its file.
	return isBetter ? further : repairLayers(pair, files, { options, context });
}

interface RepairContext {
	readonly options: RepairOptions;
	readonly context: Parameters<typeof compareFilesAndRun>[2];
}

/** A layer that is still wrong in the written file stays as it was, and the file is written again. */
async function repairLayers(
	{ original, deployed }: Pair,
	files: ComparedFiles,
	{ options, context }: RepairContext,
): Promise<VerifiedRepair> {
	const { emit } = context.ports;
	const excluded = new Map<string, string>();
	for (;;) {
		const { edits, repaired, unrepaired } = await planFoldRepair(files, deployed.access, excluded);
		const facts = { examined: original.layers.length, repaired };
		const { notes } = files.comparison;
		if (repaired.length === 0) {
			const all = [...notes, ...unjudgedNotes(files.comparison)];
			return { ...facts, unrepaired, notes: all, written: null, check: checkOf(files) };
		}
		emit({ type: 'progress', stage: 'writing', done: 0, total: 1 });
		const bytes = await writeEdited(deployed, edits, options);
		const written = await openWritten(deployed, options);
		try {
			const after = await compareFilesAndRun(original, written, context);
			const wrong = stillWrong(files.comparison, after.comparison, unrepaired);
			if (wrong.length === 0) {
				// A layer may have been wrong because of another layer only.
				const settled = after.comparison.layers.filter((layer) => isSettled(layer, after.comparison));
				const names = new Set(settled.map(({ name }) => name));
				return {
					...facts,
					unrepaired: unrepaired.filter(({ name }) => !names.has(name)),
					notes: [...notes, ...unjudgedNotes(after.comparison)],
					written: { path: options.output, bytes },
					check: checkOf(after),
				};
			}
			for (const name of wrong) {
				excluded.set(name, STILL_WRONG);
			}
		} finally {
			await written.close();
		}
	}
}

const STILL_WRONG =
	"the original's constants in its place do not make it right: the deployed model may hold it in another form, with channels in another order or size, or operators merged or split";

/** Returns a note about layers without verdict in models whose outputs agree. */
function unjudgedNotes(comparison: Comparison): string[] {
	const unjudged = comparison.layers.filter((layer) => isSettled(layer, comparison) && !isRight(layer));
	const [first] = unjudged;
	return first
		? [
				`${count(unjudged.length, 'layer')} (${first.name}${unjudged.length > 1 ? ' …' : ''}) could not be judged, but the outputs of both models agree.`,
			]
		: [];
}

const isRight = ({ status }: LayerComparison): boolean => status === 'match' || status === 'kept';

/** Returns the layers to leave as they were: wrong after their repair, or all if a right layer is wrong now. */
function stillWrong(
	before: Comparison,
	after: Comparison,
	unrepaired: VerifiedRepair['unrepaired'],
): readonly string[] {
	const known = new Set(unrepaired.map(({ name }) => name));
	const wrong = after.layers
		.filter((layer, index) => !known.has(layer.name) && !isRight(layer) && !isUnjudged(layer, before.layers[index]))
		.map(({ name }) => name);
	const isHarmed = before.layers.some((layer) => wrong.includes(layer.name) && isRight(layer));
	return isHarmed ? before.layers.map(({ name }) => name) : wrong;
}

/** True for a layer without verdict before and after. */
function isUnjudged(after: LayerComparison, before: LayerComparison): boolean {
	return after.status !== 'mismatch' && before.status === after.status;
}

/** A checkpoint cannot run, so its parameters alone decide. */
function checkOf({ comparison, models }: ComparedFiles): RepairCheck {
	const { outputs, summary, layers } = comparison;
	const { status, reason, maxAbs = Number.NaN, bound = Number.NaN } = outputs ?? { status: 'skipped' as const };
	if (status === 'match') {
		const evidence = `The outputs are those of the original: largest difference ${shortNumber(maxAbs)}, rounding allows ${shortNumber(bound)}.`;
		return { status, evidence };
	}
	// Both models ran, and rounding of the weights hides all other differences of the outputs, as in a comparison.
	if (status === 'skipped' && outputs?.maxAbs !== undefined && layers.length > 0 && layers.every(isRight)) {
		const evidence = `${count(layers.length, 'layer')} ${layers.length === 1 ? 'has' : 'have'} the parameters of the original, up to rounding. Both models run, but their outputs show nothing about the folds. ${reason ?? ''}`;
		return { status: 'match', evidence: evidence.trim() };
	}
	const isRefused = outputs?.status === 'skipped' && outputs.refused !== undefined;
	if (isCheckpoint(models.original.model) && !isRefused) {
		return summary.mismatch === 0 && summary.match + summary.kept > 0
			? {
					status: 'match',
					evidence: `${summary.match + summary.kept} of ${count(layers.length, 'layer')} have the parameters of the checkpoint, which cannot run: no outputs were compared.`,
				}
			: { status: 'skipped', reason: reason ?? CHECKPOINT_OUTPUTS };
	}
	const difference = `Its outputs differ from the original's by up to ${shortNumber(maxAbs)}, ${ratioOf(outputs?.boundRatio ?? maxAbs / bound)} what rounding explains.`;
	return status === 'mismatch'
		? { status, reason: reason ?? difference }
		: { status: 'skipped', reason: reason ?? 'The models were not run.' };
}
