import path from 'node:path';
import { compareCheckpointNetworks } from '../../core/folding/checkpoint/compare-checkpoint.js';
import { findAddedArithmetic } from '../../core/folding/compare/added-arithmetic.js';
import { checkCoefficients } from '../../core/folding/compare/check-coefficients.js';
import { type ComparedFiles, compareNetworks } from '../../core/folding/compare/compare.js';
import { decideByValues } from '../../core/folding/compare/decide-by-values.js';
import { compareFunctionConstants } from '../../core/folding/compare/function-constants.js';
import { compareOperatorCopies } from '../../core/folding/compare/operator-copies.js';
import { comparePlainOperators } from '../../core/folding/compare/plain-operators.js';
import { possibleMatches } from '../../core/folding/compare/possible-matches.js';
import { hasEqualCoefficients, isEdited } from '../../core/folding/compare/report-differences.js';
import type { ValueComparison } from '../../core/folding/values/value-comparison.js';
import type { Comparison, LayerComparison } from '../../core/report/comparison/comparison.js';
import { CHECKPOINT_OUTPUTS, isCheckpoint } from '../../core/report/formats.js';
import type { OutputComparison } from '../../core/report/output-comparison.js';
import { DEFAULT_MEMORY_BUDGET } from '../../core/report/run-choices.js';
import { formatPercent } from '../../core/text/numbers.js';
import { identities, refuseInput } from '../../platform/replace-file.js';
import type { CompareOptions, ModelLocation } from '../../protocol/host-engine.js';
import { filesOf } from './inputs/sample-files.js';
import { modelPaths, requireExternalFiles } from './model/external-data.js';
import { loadModel } from './model/load-model.js';
import { type OpenedModel, openModel } from './model/opened-model.js';
import { coarsestRounding, computesInIntegers } from './model/roundoff.js';
import {
	compareOutputs,
	DeployedRunError,
	type ModelPair,
	type OutputContext,
	type OutputRun,
} from './outputs/compare-outputs.js';
import { CaptureMemory } from './run/capture-memory.js';
import { type Runtime, RuntimeError } from './runtime/runtime.js';
import type { TaskPorts } from './task-ports.js';
import { InputError } from './tensors/errors.js';
import { compareValues } from './values/compare-values.js';
import { foldedTensors } from './values/fold-tensors.js';
import { skipped } from './values/layer-values.js';
import { ObservedPair } from './values/observed-pair.js';
import type { QuantizedOutputs } from './values/quantized-outputs.js';

type ComparePorts = Pick<TaskPorts, 'runtime' | 'kernel' | 'emit'>;

/**
 * Compares two models: first their files, layer by layer, then, if the runtime takes them, their outputs on the same input.
 * Models given in the wrong order are exchanged, and a note says so. Of a checkpoint only the parameters are compared,
 * because it cannot run.
 * @throws {OnnxError} if a file cannot be read as a model, or its external data are missing.
 * @throws {InputError} for two checkpoints
 * @throws {WriteError} if `options.output` is a file that the comparison reads.
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
			if (options.output !== undefined) {
				const files = await filesOf(options.inputs ?? []);
				const models = [...modelPaths(originalLocation, first), ...modelPaths(deployedLocation, second)];
				await refuseInput(options.output, await identities([...models, ...files]));
			}
			await requireExternalFiles(first);
			await requireExternalFiles(second);
			// The checkpoint, else the model with normalization layers, is the original, in either order.
			const isSwapped = second.checkpoint ? !first.checkpoint : first.layers.length === 0 && second.layers.length > 0;
			const [original, deployed] = isSwapped ? [second, first] : [first, second];
			refuseTwoCheckpoints(original, deployed);
			const { comparison } = await compareFilesAndRun(original, deployed, { options, ports });
			const notes = isSwapped ? [swappedNote(original, deployed), ...comparison.notes] : comparison.notes;
			return { ...comparison, notes };
		} finally {
			await second.close();
		}
	} finally {
		await first.close();
	}
}

/** Compares two models as {@link compare} does, and returns their networks, too. */
export async function compareFilesAndRun(
	original: OpenedModel,
	deployed: OpenedModel,
	{ options, ports }: { readonly options: CompareOptions; readonly ports: ComparePorts },
): Promise<ComparedFiles> {
	if (original.checkpoint) {
		return compareParameters(original, deployed, { options, ports });
	}
	const files = await compareFiles(original, deployed, ports);
	const { outputs, values } = await tryRun({ original, deployed, comparison: files.comparison }, files, {
		options,
		ports,
	});
	const { tensors } = values;
	const unitRoundoff = coarsestRounding([original, deployed], files.comparison);
	const byFiles = files.comparison.layers;
	const isOpen = !options.run && !byFiles.every(isRight);
	// Values of a model with quantized weights are too coarse to pair tensors; coefficients pair them, too.
	const isQuantized = computesInIntegers(deployed) && !computesInIntegers(original);
	const found =
		tensors || isOpen || isQuantized
			? await checkCoefficients(files.models, byFiles, { tensors: tensors ?? new Map(), unitRoundoff })
			: [];
	// Without values, other regions may be wrongly paired.
	const regions = isOpen ? found.filter((region) => hasEqualCoefficients(region) || region.isCertain) : found;
	const known = new Set(regions.flatMap((region) => region.original));
	const plain = [
		...(await comparePlainOperators(files.models, byFiles)),
		...(await compareOperatorCopies(files.models, byFiles)),
	];
	const judged = new Set(
		regions.filter((region) => hasEqualCoefficients(region) || isEdited(region)).flatMap((region) => region.original),
	);
	const functions = await compareFunctionConstants(files.models, byFiles);
	const others = [
		...plain.filter(({ original: nodes }) => !nodes.some((node) => known.has(node))),
		...functions.filter(({ original: nodes }) => !nodes.some((node) => judged.has(node))),
	];
	const seen = new Set(regions.flatMap((region) => region.deployed));
	const added = (await findAddedArithmetic(files.models, byFiles)).filter(
		({ deployed: nodes }) => !nodes.some((node) => seen.has(node)),
	);
	const differences = [...regions, ...others, ...added];
	return { models: files.models, byFiles, comparison: decideByValues(files, outputs, values, differences) };
}

/** Compares a checkpoint, which cannot run. */
async function compareParameters(
	original: OpenedModel,
	deployed: OpenedModel,
	{ options, ports }: { readonly options: CompareOptions; readonly ports: ComparePorts },
): Promise<ComparedFiles> {
	const { comparison, models } = await compareFiles(original, deployed, ports);
	const refused = options.run ? await refusal(deployed, ports) : undefined;
	const behavior = skipped(CHECKPOINT_OUTPUTS);
	const outputs: OutputComparison =
		refused === undefined
			? { status: 'skipped', reason: CHECKPOINT_OUTPUTS }
			: { status: 'skipped', reason: `${deployed.model.path} does not run: ${refused}`, refused: 'deployed' };
	const layers = comparison.layers.map((layer) => ({ ...layer, behavior }));
	return { comparison: { ...comparison, layers, outputs }, models };
}

/** @throws {InputError} if the deployed model is a checkpoint, too */
function refuseTwoCheckpoints(original: OpenedModel, deployed: OpenedModel): void {
	if (deployed.checkpoint) {
		const [a, b] = distinctNames(original.model.path, deployed.model.path);
		throw new InputError(
			`${a} and ${b} are both checkpoints, which hold weights without a graph: compare one of them with the ONNX model that was deployed.`,
		);
	}
}

/** Compares the files layer by layer, without running the models. */
export function compareFiles(
	original: OpenedModel,
	deployed: OpenedModel,
	ports: Pick<TaskPorts, 'emit'>,
): Promise<ComparedFiles> {
	const { checkpoint, access } = original;
	return checkpoint
		? compareCheckpointNetworks({ checkpoint, access }, deployed, progressOf(ports))
		: compareNetworks(original, deployed, progressOf(ports));
}

function progressOf({ emit }: Pick<TaskPorts, 'emit'>) {
	return {
		onProgress: (done: number, total: number) => emit({ type: 'progress', stage: 'comparing', done, total }),
	};
}

function swappedNote({ model: original, layers }: OpenedModel, { model: deployed }: OpenedModel): string {
	const count = `${layers.length} BatchNormalization layer${layers.length === 1 ? '' : 's'}`;
	const [named, taken] = distinctNames(deployed.path, original.path);
	if (isCheckpoint(original)) {
		return `${named} was named first, but the original is the checkpoint ${taken}, with ${count}.`;
	}
	return `${named} was named first but has no BatchNormalization; ${taken} has ${count} and was taken for the original.`;
}

/** Returns the names of two files; whole paths for equal names. */
function distinctNames(a: string, b: string): readonly [string, string] {
	const [nameA, nameB] = [path.basename(a), path.basename(b)];
	return nameA === nameB ? [a, b] : [nameA, nameB];
}

interface ComparedRun {
	readonly outputs: OutputComparison;
	readonly values: ValueComparison;
}

/** Runs both models. Returns the reason if a run fails, so that the comparison of the files remains. */
async function tryRun(
	pair: ModelPair,
	{ models }: ComparedFiles,
	{ options, ports }: { readonly options: CompareOptions; readonly ports: ComparePorts },
): Promise<ComparedRun> {
	const without = (reason: string): ValueComparison => ({
		layers: pair.original.layers.map(() => ({ behavior: skipped(reason) })),
	});
	if (!options.run) {
		const reason = 'Running was switched off.';
		return { outputs: { status: 'skipped', reason }, values: without(reason) };
	}
	const { memoryBudget: budget = DEFAULT_MEMORY_BUDGET } = options;
	const { original, deployed, comparison } = pair;
	const shared = {
		budget,
		unitRoundoff: coarsestRounding([original, deployed], comparison),
		mayMatch: possibleMatches(models),
	};
	const quantized = computesInIntegers(original) ? 'original' : computesInIntegers(deployed) ? 'deployed' : 'none';
	let run: OutputRun;
	let observed: ObservedPair | undefined;
	try {
		const context = outputContext(ports);
		const folded = comparison.layers.every(isRight) ? foldedTensors(models, comparison.layers) : undefined;
		const observing = { ...shared, runtime: context.runtime, ...(folded && { folded }) };
		observed = quantized === 'none' ? await ObservedPair.of(pair, observing) : undefined;
		run = await compareOutputs(pair, options, {
			...context,
			...(observed && { load: observed.load, probes: observed.probes }),
		});
	} catch (error) {
		const reason = reasonOf(error);
		const isRefused = error instanceof DeployedRunError || (await refusal(pair.deployed, ports)) !== undefined;
		return {
			outputs: { status: 'skipped', reason, ...(isRefused && { refused: 'deployed' }) },
			values: without(reason),
		};
	}
	ports.emit({ type: 'progress', stage: 'pairing', done: 0, total: 1 });
	try {
		const values = await compareValues(pair, {
			...shared,
			feeds: run.feeds,
			runtime: ports.runtime(),
			memory: new CaptureMemory(await ports.kernel()),
			isOpen: (index) => !isRight(comparison.layers[index]),
			quantized,
			...(observed && !(observed.isLean && run.outputs.status !== 'match') && { observed }),
		});
		return { outputs: withoutRounding(run.outputs, values.outputs), values: withWrongOutput(values, run.firstWrong) };
	} catch (error) {
		return { outputs: run.outputs, values: without(reasonOf(error)) };
	}
}

/** Names a wrong output as the first difference if the tensors in front of it have too few elements to show it. */
function withWrongOutput<T extends ValueComparison>(values: T, firstWrong: string | undefined): T {
	return values.firstDifference === null && firstWrong !== undefined
		? { ...values, firstDifference: firstWrong }
		: values;
}

/** Judges outputs that quantization moves by those without the rounding of activations. */
function withoutRounding(outputs: OutputComparison, quantized: QuantizedOutputs | undefined): OutputComparison {
	const { maxRel } = outputs;
	if (!quantized || outputs.status !== 'skipped' || maxRel === undefined) {
		return outputs;
	}
	const { status, noise, snrDb: unroundedSnrDb, ...differences } = quantized;
	const { runtime, inputs, milliseconds, snrDb } = outputs;
	const run = { ...(runtime && { runtime }), ...(inputs && { inputs }), ...(milliseconds && { milliseconds }) };
	const rounded = maxRel !== differences.maxRel && { roundedMaxRel: maxRel, unroundedSnrDb };
	const judged = { ...run, ...differences, ...(snrDb !== undefined && { snrDb }), ...rounded };
	return status === 'unclear' ? { ...judged, status: 'skipped', reason: noisyOutputs(noise) } : { ...judged, status };
}

/** @param noise difference that rounding the weights explains, relative to the size of the outputs */
function noisyOutputs(noise: number): string {
	return Number.isFinite(noise)
		? `On this input, rounding the deployed weights at random moves them by up to ${formatPercent(noise)} of their size.`
		: 'The effect of rounding the deployed weights on them could not be measured.';
}

const isRight = ({ status }: Pick<LayerComparison, 'status'>): boolean => status === 'match' || status === 'kept';

/** Returns the runtime's reason for not loading a model; undefined if it loads, or if there is no runtime. */
async function refusal(model: OpenedModel, { runtime }: Pick<ComparePorts, 'runtime'>): Promise<string | undefined> {
	let loaded: Runtime;
	try {
		loaded = runtime();
	} catch {
		return undefined;
	}
	try {
		const session = await loadModel(model, loaded, { outputs: [] });
		await session.release();
		return undefined;
	} catch (error) {
		return reasonOf(error);
	}
}

/** Returns the message of a failed run. @throws every other error */
function reasonOf(error: unknown): string {
	if (error instanceof RuntimeError || error instanceof InputError) {
		return error.message;
	}
	throw error;
}

/** Loads the runtime and sends the output comparison's progress. @throws {RuntimeError} */
export function outputContext({ runtime, emit }: Pick<ComparePorts, 'runtime' | 'emit'>): OutputContext {
	return { runtime: runtime(), progress: (stage) => emit({ type: 'progress', stage, done: 0, total: 1 }) };
}
