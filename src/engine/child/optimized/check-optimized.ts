import { rm } from 'node:fs/promises';
import { OnnxError } from '../../../core/onnx/errors.js';
import type { Node } from '../../../core/onnx/model.js';
import type { Finding } from '../../../core/report/types.js';
import { shortNumber } from '../../../core/text/numbers.js';
import { loadBytes, outputsTail } from '../model/load-model.js';
import { readWithTail } from '../model/model-bytes.js';
import { type OpenedModel, openModel } from '../model/opened-model.js';
import { borrowRoom, type LoadPorts } from '../run/memory-plan.js';
import { type Runtime, RuntimeError } from '../runtime/runtime.js';
import type { Tensors } from '../tensors/tensor.js';
import { compareFused, type FusedDifference, linearInFront } from './fused-behavior.js';
import { FusedWeights } from './fused-weights.js';
import { DefaultLevel, type Disagreement } from './optimized-runs.js';

/** What the runtime makes of a model at the level at which everybody else runs it. */
export interface OptimizedCheck {
	/** By layer. */
	readonly layers: ReadonlyMap<number, Finding>;
	/** What cannot be put down to one layer. */
	readonly model: readonly Finding[];
	/** What the user should know about the comparison: one sentence. */
	readonly remark?: string;
}

export interface OptimizedOptions {
	/** One run's inputs. */
	readonly feeds: Tensors;
	/** The model's outputs of that run, unoptimized; empty where they were not kept. */
	readonly outputs: Tensors;
	/** Where the model's bytes can be meanwhile; nobody else may use the kernel. */
	readonly memory: LoadPorts;
	/** A file that may be written and is removed again; undefined: none. */
	readonly temporary: string | undefined;
}

/** What merges a normalization into the operator in front of it, by that operator; switched off by these names. */
const OPTIMIZERS: Readonly<Record<string, string>> = {
	Conv: 'ConvBNFusion',
	MatMul: 'MatMul_BatchNormalization_Fusion',
};
/** Constants that are equal become one: wrong where training mode overwrites one of them. */
const TRAINING_OPTIMIZER = 'ConstantSharing';

/**
 * Compares the model at the runtime's default level with the model as written: its outputs, and layer by layer what the
 * runtime has fused. The weights that a fusion writes are held against our own fold; where that does not say that they
 * are right, the fused nodes are run against those that they replace, which decides.
 * @throws {OnnxError} `io` when the file was changed meanwhile
 */
export async function checkOptimized(
	model: OpenedModel,
	runtime: Runtime,
	{ feeds, outputs, memory, temporary }: OptimizedOptions,
): Promise<OptimizedCheck> {
	const nothing = { layers: new Map<number, Finding>(), model: [] };
	// With the layers' outputs kept as outputs, which their fusions do not mind, each has a tensor to look at afterwards.
	const layers = model.layers.filter(({ graphPath }) => graphPath === '').map(({ output }) => output);
	const tail = outputsTail(model, layers);
	const room = borrowRoom({ model: model.source.size + tail.length, tensors: 0 }, memory);
	const bytes = await readWithTail(model.source, tail, room.model);
	const level = new DefaultLevel(model, bytes.subarray(0, model.source.size), runtime, feeds);
	try {
		const expected = outputs.size > 0 ? outputs : await level.unoptimized();
		const found = await level.optimized();
		const disagreement = await level.disagreement(expected, found);
		if (disagreement === 'random') {
			return { ...nothing, remark: RANDOM };
		}
		const wrong = temporary === undefined ? [] : await wronglyFused(model, runtime, { feeds, bytes, temporary });
		if (wrong.length > 0) {
			const isRepaired = async (without: readonly string[]) =>
				(await level.disagreement(expected, await level.optimized(without))) === undefined;
			return { ...nothing, layers: await layerFindings(wrong, isRepaired) };
		}
		return disagreement ? await unexplained(model, level, { expected, disagreement }) : nothing;
	} catch (error) {
		if (error instanceof RuntimeError) {
			return { ...nothing, remark: `Not compared with the runtime's default optimizations: ${error.detail}` };
		}
		throw error;
	}
}

const RANDOM =
	'The model gives other outputs from one run to the next (a Dropout in training mode does that), so it was not compared with what the runtime computes at its default level.';

interface WrongFusion {
	readonly index: number;
	readonly channels: number;
	readonly difference: FusedDifference;
	/** The operator that the layer was merged into, as the file has it. */
	readonly into: Node | undefined;
}

/** Layers whose fused nodes compute something else than the nodes that they replace. */
async function wronglyFused(
	model: OpenedModel,
	runtime: Runtime,
	{ feeds, bytes, temporary }: { readonly feeds: Tensors; readonly bytes: Uint8Array; readonly temporary: string },
): Promise<WrongFusion[]> {
	const optimized = await optimize(model, bytes, runtime, temporary);
	if (!optimized) {
		return [];
	}
	try {
		const weights = await FusedWeights.read(model, optimized);
		const wrong: WrongFusion[] = [];
		for (const [index, layer] of model.layers.entries()) {
			const { kind } = await weights.judge(index);
			const difference =
				kind === 'doubtful' ? await compareFused(layer, { own: model, optimized }, feeds, runtime) : undefined;
			if (difference && difference.ratio > 1) {
				wrong.push({ index, channels: layer.channels, difference, into: linearInFront(layer)[0] });
			}
		}
		return wrong;
	} finally {
		await optimized.close();
		await rm(temporary, { force: true });
	}
}

/** The model as the runtime rewrites it; undefined where it cannot be written, for example beyond protobuf's 2 GB. */
async function optimize(
	model: OpenedModel,
	bytes: Uint8Array,
	runtime: Runtime,
	file: string,
): Promise<OpenedModel | undefined> {
	try {
		// Levels beyond "basic" change layouts, which hides what was fused.
		const session = await loadBytes(model, bytes, runtime, { levels: ['basic'], optimizedModelPath: file });
		await session.release();
		return await openModel({ path: file });
	} catch (error) {
		await rm(file, { force: true });
		if (error instanceof RuntimeError || error instanceof OnnxError) {
			return undefined;
		}
		throw error;
	}
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

/** The outputs differ, and no layer was found to blame. */
async function unexplained(
	model: OpenedModel,
	level: DefaultLevel,
	{ expected, disagreement }: { readonly expected: Tensors; readonly disagreement: Disagreement },
): Promise<OptimizedCheck> {
	const { output, maxAbs, bound } = disagreement;
	const numbers = `output "${output}" differs by up to ${shortNumber(maxAbs)}, where rounding explains ${shortNumber(bound)}`;
	const isTraining = model.layers.some(({ mode }) => mode === 'training');
	for (const without of [Object.values(OPTIMIZERS), ...(isTraining ? [[TRAINING_OPTIMIZER]] : [])]) {
		if (!(await level.disagreement(expected, await level.optimized(without)))) {
			const message = `With the runtime's default optimizations ${numbers}. ${wayAround(without, true)}`;
			const culprit: Finding = { code: 'runtime-fusion-mismatch', severity: 'error', channels: [], message };
			return { layers: new Map(), model: [culprit] };
		}
	}
	const remark = `With the runtime's default optimizations ${numbers}; what it merges normalization layers into is not the reason.`;
	return { layers: new Map(), model: [], remark };
}
