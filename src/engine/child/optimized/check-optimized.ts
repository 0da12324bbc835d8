import { rm } from 'node:fs/promises';
import { OnnxError } from '../../../core/onnx/errors.js';
import type { Node } from '../../../core/onnx/model.js';
import type { Finding } from '../../../core/report/types.js';
import { shortNumber } from '../../../core/text/numbers.js';
import { loadBytes, outputsTail } from '../model/load-model.js';
import { readWithTail } from '../model/model-bytes.js';
import { type OpenedModel, openModel } from '../model/opened-model.js';
import { overwritesStatistics } from '../model/run-time-parameters.js';
import type { CaptureMemory } from '../run/capture-memory.js';
import { type Runtime, RuntimeError } from '../runtime/runtime.js';
import type { Tensors } from '../tensors/tensor.js';
import { compareFused, type FusedDifference, linearInFront } from './fused-behavior.js';
import { FusedWeights } from './fused-weights.js';
import { DefaultLevel, type Disagreement } from './optimized-runs.js';

/** Result of comparing a model at the runtime's default optimization level with the model as written. */
export interface OptimizedCheck {
	/** Layer index -> finding. */
	readonly layers: ReadonlyMap<number, Finding>;
	/** Findings that no single layer explains. */
	readonly model: readonly Finding[];
	/** A sentence for the user about the comparison. */
	readonly remark?: string;
}

export interface OptimizedOptions {
	/** Inputs of a run. */
	readonly feeds: Tensors;
	/** Outputs of the unoptimized model in that run; empty if dropped. */
	readonly outputs: Tensors;
	/** Lends memory for the model's bytes during the whole check. */
	readonly memory: CaptureMemory;
	/** Bytes that captured tensors may take at a time. */
	readonly budget: number;
	/** Path of a temporary file; undefined: write none. */
	readonly temporary: string | undefined;
}

/** Operator type -> name of the runtime's optimizer that merges a normalization into such an operator in front of it. */
const OPTIMIZERS: Readonly<Record<string, string>> = {
	Conv: 'ConvBNFusion',
	MatMul: 'MatMul_BatchNormalization_Fusion',
};
/**
 * Maximum share of an output's largest value that merged layers with correct weights may move it by without suspicion.
 * Merging rounds each value once more, which a network may amplify more than the probes of rounding show.
 */
const MAX_ROUNDING_SHARE = 0.01;
/** Optimizer that merges equal constants, which is wrong if training mode overwrites such a constant. */
const TRAINING_OPTIMIZER = 'ConstantSharing';

/**
 * Compares the model at the runtime's default level with the model as written: its outputs, and each layer that the runtime
 * has fused. The weights of a fusion are compared with our own fold first. If they differ, the fused nodes are run against
 * the nodes that they replace, and that decides.
 * @throws {OnnxError} `io` if the file was changed meanwhile.
 */
export async function checkOptimized(
	model: OpenedModel,
	runtime: Runtime,
	{ feeds, outputs, memory, budget, temporary }: OptimizedOptions,
): Promise<OptimizedCheck> {
	const nothing = { layers: new Map<number, Finding>(), model: [] };
	if (model.layers.length > MAX_LAYERS) {
		const remark = `Not compared with the runtime's default optimizations: the model has ${model.layers.length} layers, and at most ${MAX_LAYERS} are compared.`;
		return { ...nothing, remark };
	}
	// Layers' outputs become outputs of the model, so that each layer has a tensor to compare. Fusions still happen.
	const layers = model.layers.filter(({ graphPath }) => graphPath === '').map(({ output }) => output);
	const tail = outputsTail(model, layers);
	const lent = memory.lend({ model: model.source.size + tail.length, tensors: 0 }, budget);
	try {
		const bytes = await readWithTail(model.source, tail, lent.model);
		const level = new DefaultLevel(model, bytes.subarray(0, model.source.size), runtime, feeds);
		const expected = outputs.size > 0 ? outputs : await level.unoptimized();
		const found = await level.optimized();
		const disagreement = await level.disagreement(expected, found);
		const fused = temporary === undefined ? undefined : await wronglyFused(model, runtime, { feeds, bytes, temporary });
		const wrong = fused?.wrong ?? [];
		if (disagreement === 'random') {
			const layers = await layerFindings(wrong, async () => false);
			return { ...nothing, layers, remark: RANDOM };
		}
		if (wrong.length > 0) {
			const isRepaired = async (without: readonly string[]) =>
				(await level.disagreement(expected, await level.optimized(without))) === undefined;
			return { ...nothing, layers: await layerFindings(wrong, isRepaired) };
		}
		if (!disagreement) {
			return nothing;
		}
		const isSuspect = !fused?.areAllRight || disagreement.maxRel > MAX_ROUNDING_SHARE;
		const suspects = [...(isSuspect ? [Object.values(OPTIMIZERS)] : []), ...trainingSuspects(model)];
		return await unexplained(level, suspects, { expected, disagreement });
	} catch (error) {
		if (error instanceof RuntimeError) {
			return { ...nothing, remark: `Not compared with the runtime's default optimizations: ${error.detail}` };
		}
		throw error;
	} finally {
		memory.release();
	}
}

/**
 * Maximum number of layers in a comparison with the runtime's optimizations. These take minutes for 10,000 nodes that
 * read the same tensor. Published networks have under a thousand layers.
 */
const MAX_LAYERS = 2000;

const RANDOM =
	'The model gives other outputs from one run to the next (a Dropout in training mode does that), so it was not compared with what the runtime computes at its default level.';

interface WrongFusion {
	readonly index: number;
	readonly channels: number;
	readonly difference: FusedDifference;
	/** Operator of the file that the layer was merged into. */
	readonly into: Node | undefined;
}

/** Comparison of every fused layer with the nodes it replaces. */
interface FusedLayers {
	readonly wrong: readonly WrongFusion[];
	/** True if every merged layer has the weights of a correct fold, or computes the same. Then no merge is at fault. */
	readonly areAllRight: boolean;
}

/**
 * Finds layers with fused nodes that compute other values than the nodes that they replace. Undefined if there are no
 * fused nodes.
 */
async function wronglyFused(
	model: OpenedModel,
	runtime: Runtime,
	{ feeds, bytes, temporary }: { readonly feeds: Tensors; readonly bytes: Uint8Array; readonly temporary: string },
): Promise<FusedLayers | undefined> {
	const optimized = await optimize(model, bytes, runtime, temporary);
	if (!optimized) {
		return undefined;
	}
	try {
		const weights = await FusedWeights.read(model, optimized);
		const wrong: WrongFusion[] = [];
		let areAllRight = true;
		for (const [index, layer] of model.layers.entries()) {
			if (layer.kind === 'handbuilt') {
				continue;
			}
			const { kind } = await weights.judge(layer);
			const difference =
				kind === 'doubtful' ? await compareFused(layer, { own: model, optimized }, feeds, runtime) : undefined;
			areAllRight &&= kind !== 'doubtful' || (difference !== undefined && difference.ratio <= 1);
			if (difference && difference.ratio > 1) {
				wrong.push({ index, channels: layer.channels, difference, into: linearInFront(layer)[0] });
			}
		}
		return { wrong, areAllRight };
	} finally {
		await optimized.close();
		await removeTemporary(temporary);
	}
}

/** Returns the model as the runtime rewrites it; undefined if it cannot be written, for example beyond protobuf's 2 GB. */
async function optimize(
	model: OpenedModel,
	bytes: Uint8Array,
	runtime: Runtime,
	file: string,
): Promise<OpenedModel | undefined> {
	try {
		// Levels beyond "basic" change layouts, which hides the fused nodes.
		const session = await loadBytes(model, bytes, runtime, { levels: ['basic'], optimizedModelPath: file });
		await session.release();
		return await openModel({ path: file });
	} catch (error) {
		await removeTemporary(file);
		if (error instanceof RuntimeError || error instanceof OnnxError) {
			return undefined;
		}
		throw error;
	}
}

/** Ignores errors, for example of a temporary folder that is none: there is no file to remove then. */
function removeTemporary(file: string): Promise<void> {
	return rm(file, { force: true }).catch(() => undefined);
}

async function layerFindings(
	wrong: readonly WrongFusion[],
	isRepaired: (without: readonly string[]) => Promise<boolean>,
): Promise<Map<number, Finding>> {
	const names = [...new Set(wrong.flatMap(({ into }) => (into && OPTIMIZERS[into.opType]) ?? []))];
	const repaired = names.length > 0 && (await isRepaired(names));
	return new Map(
		wrong.map(({ index, channels, difference, into }) => [index, finding(difference, { channels, into, repaired })]),
	);
}

function finding(
	{ maxAbs, bound, channels }: FusedDifference,
	layer: { readonly channels: number; readonly into: Node | undefined; readonly repaired: boolean },
): Finding {
	const { into, repaired } = layer;
	const operator = into ? `${into.opType} "${into.name || into.outputs[0]}"` : 'the operator in front of it';
	const optimizer = into && OPTIMIZERS[into.opType];
	const way = optimizer === undefined ? '' : ` ${wayAround([optimizer], repaired)}`;
	return {
		code: 'runtime-fusion-mismatch',
		severity: 'error',
		channels,
		message: `By default the runtime merges this layer into ${operator} with wrong values: on the same input the output differs by up to ${shortNumber(maxAbs)} in ${channels.length} of ${layer.channels} channels, where rounding explains ${shortNumber(bound)}.${way}`,
	};
}

function wayAround(optimizers: readonly string[], repaired: boolean): string {
	const list = optimizers.map((name) => `"${name}"`).join(', ');
	const effect = repaired ? ', with which the outputs agree' : '';
	return `The way around it is to switch off ${optimizers.join(' and ')} (in Python: disabled_optimizers=[${list}])${effect}.`;
}

/** Returns the suspect optimizers for layers in training mode. */
function trainingSuspects(model: OpenedModel): string[][] {
	return model.layers.some(overwritesStatistics) ? [[TRAINING_OPTIMIZER]] : [];
}

/**
 * Explains outputs that differ although no fused layer is wrong: by switching off optimizers.
 * @param suspects groups of optimizers, by the runtime's names
 */
async function unexplained(
	level: DefaultLevel,
	suspects: readonly (readonly string[])[],
	{ expected, disagreement }: { readonly expected: Tensors; readonly disagreement: Disagreement },
): Promise<OptimizedCheck> {
	const { output, maxAbs, bound } = disagreement;
	const numbers = `output "${output}" differs by up to ${shortNumber(maxAbs)}, where rounding explains ${shortNumber(bound)}`;
	for (const without of suspects) {
		if (!(await level.disagreement(expected, await level.optimized(without)))) {
			const message = `With the runtime's default optimizations ${numbers}. ${wayAround(without, true)}`;
			const culprit: Finding = { code: 'runtime-fusion-mismatch', severity: 'error', channels: [], message };
			return { layers: new Map(), model: [culprit] };
		}
	}
	const remark = `With the runtime's default optimizations ${numbers}; what it merges normalization layers into is not the reason.`;
	return { layers: new Map(), model: [], remark };
}
