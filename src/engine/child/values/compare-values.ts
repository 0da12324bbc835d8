import { Arrivals, type LayerArrival, layerArrival } from '../../../core/folding/values/arrival.js';
import type { ValueTensor } from '../../../core/folding/values/difference.js';
import { roundingTolerance } from '../../../core/folding/values/rounding-tolerance.js';
import type { LayerValues, ValueComparison } from '../../../core/folding/values/value-comparison.js';
import { ValuePairing } from '../../../core/folding/values/value-pairing.js';
import type { LayerBehavior } from '../../../core/report/comparison/behavior.js';
import { inlineFunctions } from '../model/inline-functions.js';
import type { OpenedModel } from '../model/opened-model.js';
import { randomNode } from '../model/random-node.js';
import { requiredInputs } from '../model/required-inputs.js';
import { feedsFor } from '../outputs/deployed-feeds.js';
import { perturb } from '../outputs/probe.js';
import type { CaptureMemory } from '../run/capture-memory.js';
import type { RunContext } from '../run/run-events.js';
import { Stopwatch } from '../run/stopwatch.js';
import type { Runtime } from '../runtime/runtime.js';
import { numbersOf } from '../tensors/numbers.js';
import type { RuntimeTensor, Tensors } from '../tensors/tensor.js';
import { foldTensors } from './fold-tensors.js';
import { TensorSource } from './tensor-source.js';

export interface ValueRun {
	/** Inputs of the original. */
	readonly feeds: Tensors;
	readonly runtime: Runtime;
	readonly memory: CaptureMemory;
	/** Bytes that captured tensors may take at a time. */
	readonly budget: number;
	/** Of the coarser of both models. */
	readonly unitRoundoff: number;
	/** True if a model rounds activations to integers, so that values that differ show nothing. */
	readonly isNoisy: boolean;
	/** Returns false for tensors that do not correspond whatever their values. */
	readonly mayMatch: (original: string, deployed: string) => boolean;
}

/** Seeds of runs on perturbed inputs, which measure rounding. */
const PROBE_SEEDS = [11, 12] as const;

/**
 * Runs both models on the same input, captures every floating tensor, and finds for each layer of the original the deployed
 * tensor with the same values.
 * @throws {RuntimeError | InputError} if a model does not run
 */
export async function compareValues(
	pair: { readonly original: OpenedModel; readonly deployed: OpenedModel },
	run: ValueRun,
): Promise<ValueComparison> {
	const random = randomNode(pair.original.model) ?? randomNode(pair.deployed.model);
	if (random) {
		const reason = `${random.opType} makes the values random, so they show nothing about the layer.`;
		return { layers: pair.original.layers.map(() => ({ behavior: skipped(reason) })) };
	}
	const original = (await inlineFunctions(pair.original)) ?? pair.original;
	const deployed = (await inlineFunctions(pair.deployed)) ?? pair.deployed;
	const pairing = new ValuePairing({
		toleranceOf: roundingTolerance(run.unitRoundoff),
		room: run.budget / 2,
		mayMatch: run.mayMatch,
	});
	const net = await runOriginal(original, run, pairing);
	await runDeployed(deployed, run, pairing);
	const { graph } = original.model;
	const arrivals = new Arrivals({
		order: net.order,
		reads: (node) => net.reads(node),
		outputs: new Set(graph.outputs.map(({ name }) => name)),
		matches: pairing.matches,
		compared: pairing.compared,
	});
	const { inputs, inner } = await foldTensors(original);
	const layers = original.layers.map((layer): LayerValues => {
		if (layer.graphPath !== '') {
			const reason = `The layer is inside ${layer.graphPath}, where the runtime gives no access to tensors.`;
			return { behavior: skipped(reason) };
		}
		const arrival = layerArrival(arrivals, layer, inputs.get(layer) ?? layer.input);
		return layerValues(layer.output, arrival, { pairing, isNoisy: run.isNoisy });
	});
	if (run.isNoisy) {
		return { layers };
	}
	const lost = arrivals.firstLost();
	return { layers, firstDifference: lost === undefined ? null : (inner.get(lost) ?? lost), tensors: pairing.matches };
}

function layerValues(
	output: string,
	arrival: LayerArrival,
	{ pairing, isNoisy }: { readonly pairing: ValuePairing; readonly isNoisy: boolean },
): LayerValues {
	switch (arrival.status) {
		case 'unused':
			return { behavior: skipped('No tensor behind the layer has values that identify it.') };
		case 'match': {
			const { match } = arrival;
			const { original, deployed, difference, bound, size, largest } = match;
			const behavior: LayerBehavior = {
				status: 'match',
				tensor: deployed,
				snrDb: decibels(size, difference.rms),
				maxAbs: difference.maxAbs,
				maxShare: difference.maxAbs / largest,
				bound,
				...(original !== output && { behind: original }),
			};
			return { behavior, match, silent: pairing.silentChannels(original) };
		}
		default: {
			const nearest = pairing.nearest(output);
			const reason = 'The deployed model rounds activations to 8 bits, and this noise was not estimated.';
			const behavior: LayerBehavior = {
				status: isNoisy ? 'skipped' : arrival.status,
				tensor: nearest?.deployed ?? null,
				snrDb: nearest ? decibels(nearest.size, nearest.difference.rms) : null,
				maxAbs: nearest?.difference.maxAbs ?? null,
				...(nearest && { maxShare: nearest.difference.maxAbs / nearest.largest }),
				bound: nearest?.bound ?? null,
				...(isNoisy && { reason }),
			};
			return { behavior };
		}
	}
}

/** Returns the signal-to-noise ratio in dB; Infinity for equal values. */
function decibels(signal: number, noise: number): number {
	return 20 * Math.log10(signal / noise);
}

export function skipped(reason: string): LayerBehavior {
	return { status: 'skipped', tensor: null, snrDb: null, maxAbs: null, bound: null, reason };
}

async function runOriginal(model: OpenedModel, run: ValueRun, pairing: ValuePairing) {
	const source = new TensorSource(model, run.runtime);
	try {
		const context = contextOf(run);
		await source.visit(run.feeds, context, (name, tensor) => pairing.addOriginal(name, valuesOf(tensor)));
		for (const seed of PROBE_SEEDS) {
			const feeds = perturb(run.feeds, run.unitRoundoff, seed);
			await source.visit(feeds, context, (name, tensor) => pairing.addProbe(name, valuesOf(tensor)));
		}
		return source.net;
	} finally {
		await source.dispose();
	}
}

async function runDeployed(model: OpenedModel, run: ValueRun, pairing: ValuePairing): Promise<void> {
	const source = new TensorSource(model, run.runtime);
	try {
		const feeds = feedsFor(requiredInputs(model.model), run.feeds);
		await source.visit(feeds, contextOf(run), (name, tensor) => pairing.addDeployed(name, valuesOf(tensor)));
	} finally {
		await source.dispose();
	}
}

function contextOf({ memory, budget }: ValueRun): RunContext {
	return { memory, budget: budget / 2, watch: new Stopwatch() };
}

function valuesOf(tensor: RuntimeTensor): ValueTensor {
	return { dims: tensor.dims, values: numbersOf(tensor) };
}
