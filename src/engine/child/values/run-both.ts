import type { ValueTensor } from '../../../core/folding/values/difference.js';
import type { Noise, ValuePairing } from '../../../core/folding/values/value-pairing.js';
import type { NodeNet } from '../model/node-net.js';
import type { OpenedModel } from '../model/opened-model.js';
import { requiredInputs } from '../model/required-inputs.js';
import { feedsFor } from '../outputs/deployed-feeds.js';
import { PROBE_SEEDS, perturb } from '../outputs/probe.js';
import type { CaptureMemory } from '../run/capture-memory.js';
import type { RunContext } from '../run/run-events.js';
import { Stopwatch } from '../run/stopwatch.js';
import type { Runtime } from '../runtime/runtime.js';
import { numbersOf } from '../tensors/numbers.js';
import type { RuntimeTensor, Tensors } from '../tensors/tensor.js';
import type { ComparedDeployment, QuantizedSide } from './compared-deployment.js';
import { TensorSource } from './tensor-source.js';
import { valuesOf } from './values-of.js';

/** Seeds of the original's runs on perturbed inputs. */
export const VALUE_PROBES: readonly number[] = PROBE_SEEDS.slice(0, 2);

/** A run of both models with captured tensors. */
export interface PairRun {
	/** Inputs of the original. */
	readonly feeds: Tensors;
	readonly runtime: Runtime;
	readonly memory: CaptureMemory;
	/** Bytes that captured tensors may take at a time. */
	readonly budget: number;
	/** Unit roundoff of the coarser model. */
	readonly unitRoundoff: number;
	readonly quantized: QuantizedSide;
}

/** Takes a model's tensors, and keeps copies of its outputs. */
interface Collector {
	readonly pairing: ValuePairing;
	readonly outputs: Map<string, ValueTensor>;
	/** Receives the dimensions of all tensors. */
	readonly dims: Map<string, readonly number[]>;
}

/** Dimensions of both models' floating tensors, by name, in graph order. */
export type PairDims = Record<'original' | 'deployed', ReadonlyMap<string, readonly number[]>>;

/** Values inside both models. */
export interface RunValues {
	readonly pairing: ValuePairing;
	readonly dims: PairDims;
	/** Nodes of the original. */
	readonly net: NodeNet;
}

/** Receives the values inside both models, and those outputs of a pair with a quantized model. */
export interface PairValues {
	readonly pairing: ValuePairing;
	readonly outputs: Record<'original' | 'deployed', Map<string, ValueTensor>>;
}

/** Runs both models with their floating tensors captured. @throws {RuntimeError | InputError} */
export async function runBoth(
	{ original, deployed }: { readonly original: OpenedModel; readonly deployed: ComparedDeployment },
	run: PairRun,
	{ pairing, outputs }: PairValues,
): Promise<RunValues> {
	const dims = { original: new Map<string, readonly number[]>(), deployed: new Map<string, readonly number[]>() };
	const net = await runOriginal(original, run, { pairing, outputs: outputs.original, dims: dims.original });
	await runDeployed(deployed, run, { pairing, outputs: outputs.deployed, dims: dims.deployed });
	return { pairing, dims, net };
}

async function runOriginal(model: OpenedModel, run: PairRun, { pairing, outputs, dims }: Collector) {
	const source = new TensorSource(model, run.runtime);
	const isOutput = outputTest(model, run);
	try {
		// The captured tensors are those that are kept, so that they may take the whole budget.
		const whole = { ...contextOf(run), budget: run.budget, groupBudget: run.budget / 2 };
		await source.visit(run.feeds, whole, (name, tensor) => {
			dims.set(name, tensor.dims);
			pairing.addOriginal(name, valuesOf(tensor));
			if (isOutput(name)) {
				outputs.set(name, copyOf(tensor));
			}
		});
		const context = contextOf(run, pairing);
		for (const seed of VALUE_PROBES) {
			const feeds = perturb(run.feeds, run.unitRoundoff, seed);
			await source.visit(feeds, context, (name, tensor) => pairing.addProbe(name, valuesOf(tensor)));
		}
		return source.net;
	} finally {
		await source.dispose();
	}
}

const UNKNOWN_NOISE: Noise = { rms: Number.POSITIVE_INFINITY, maxAbs: Number.POSITIVE_INFINITY };

async function runDeployed(
	{ file, noise }: ComparedDeployment,
	run: PairRun,
	{ pairing, outputs, dims }: Collector,
): Promise<void> {
	const source = new TensorSource(file, run.runtime);
	const isOutput = outputTest(file, run);
	try {
		const feeds = feedsFor(requiredInputs(file.model), run.feeds);
		await source.visit(feeds, contextOf(run, pairing), (name, tensor) => {
			dims.set(name, tensor.dims);
			pairing.addDeployed(name, valuesOf(tensor), noise && (noise.get(name) ?? UNKNOWN_NOISE));
			if (isOutput(name)) {
				outputs.set(name, copyOf(tensor));
			}
		});
	} finally {
		await source.dispose();
	}
}

/** Returns a test for outputs of a model that are judged here: those of a pair with a quantized model. */
function outputTest({ model }: OpenedModel, { quantized }: PairRun): (name: string) => boolean {
	const names = new Set(model.graph.outputs.map(({ name }) => name));
	return (name) => quantized === 'deployed' && names.has(name);
}

function copyOf(tensor: RuntimeTensor): ValueTensor {
	return { dims: tensor.dims, values: numbersOf(tensor).slice() };
}

/** @param pairing keeps tensors of the original; by default as many as it may keep */
export function contextOf(
	{ memory, budget }: PairRun,
	{ keptBytes }: Pick<ValuePairing, 'keptBytes'> = { keptBytes: budget / 2 },
): RunContext {
	return { memory, budget: budget - keptBytes, watch: new Stopwatch() };
}
