import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import { Arrivals, type LayerArrival, layerArrival, type ValueGraph } from '../../../core/folding/values/arrival.js';
import type { ValueTensor } from '../../../core/folding/values/difference.js';
import { roundingTolerance } from '../../../core/folding/values/rounding-tolerance.js';
import type { LayerValues, ValueComparison } from '../../../core/folding/values/value-comparison.js';
import { decibels, type Noise, ValuePairing } from '../../../core/folding/values/value-pairing.js';
import type { LayerBehavior } from '../../../core/report/comparison/behavior.js';
import { formatPercent } from '../../../core/text/numbers.js';
import { inlineFunctions } from '../model/inline-functions.js';
import type { NodeNet } from '../model/node-net.js';
import type { OpenedModel } from '../model/opened-model.js';
import { randomNode } from '../model/random-node.js';
import { requiredInputs } from '../model/required-inputs.js';
import { feedsFor } from '../outputs/deployed-feeds.js';
import { perturb } from '../outputs/probe.js';
import { FIRST_PROBES } from '../outputs/probe-original.js';
import type { CaptureMemory } from '../run/capture-memory.js';
import type { RunContext } from '../run/run-events.js';
import { Stopwatch } from '../run/stopwatch.js';
import type { Runtime } from '../runtime/runtime.js';
import { numbersOf } from '../tensors/numbers.js';
import type { RuntimeTensor, Tensors } from '../tensors/tensor.js';
import {
	type ComparedDeployment,
	comparedDeployment,
	type QuantizedSide,
	roundedRatios,
} from './compared-deployment.js';
import { foldTensors } from './fold-tensors.js';
import { type FollowedValues, followBehind } from './follow-behind.js';
import type { ObservedPair, PairDims } from './observed-pair.js';
import { judgeQuantizedOutputs, type QuantizedOutputs } from './quantized-outputs.js';
import { TensorSource } from './tensor-source.js';
import { valuesOf } from './values-of.js';

export interface ValueRun {
	/** Inputs of the original. */
	readonly feeds: Tensors;
	readonly runtime: Runtime;
	readonly memory: CaptureMemory;
	/** Bytes that captured tensors may take at a time. */
	readonly budget: number;
	/** Unit roundoff of the coarser model. */
	readonly unitRoundoff: number;
	readonly quantized: QuantizedSide;
	/** Returns false for tensors that do not correspond whatever their values. */
	readonly mayMatch: (original: string, deployed: string) => boolean;
	/** True for indices of layers whose parameters do not show that the layer is right. */
	readonly isOpen: (index: number) => boolean;
	/** Values from the runs for the outputs. */
	readonly observed?: ObservedPair;
}

/** Comparison of the values inside, and of the outputs where quantization makes them differ. */
export interface InnerComparison extends ValueComparison {
	readonly outputs?: QuantizedOutputs;
}

/**
 * Runs both models on the same input, captures every floating tensor, and finds for each layer of the original the deployed
 * tensor with the same values. Of a quantized model the form without the rounding of activations is compared, because
 * the rounding of its constants can be measured.
 * @throws {RuntimeError | InputError} if a model does not run
 */
export async function compareValues(
	pair: { readonly original: OpenedModel; readonly deployed: OpenedModel },
	run: ValueRun,
): Promise<InnerComparison> {
	const random = randomNode(pair.original.model) ?? randomNode(pair.deployed.model);
	if (random) {
		const reason = `${random.opType} makes the values random, so they show nothing about the layer.`;
		return { layers: pair.original.layers.map(() => ({ behavior: skipped(reason) })) };
	}
	const original = (await inlineFunctions(pair.original)) ?? pair.original;
	const part = { feeds: run.feeds, runtime: run.runtime, context: contextOf(run), room: run.budget / 2 };
	const deployed = await comparedDeployment({ original, deployed: pair.deployed }, run.quantized, part);
	const options = { toleranceOf: roundingTolerance(run.unitRoundoff), room: run.budget / 2, mayMatch: run.mayMatch };
	const outputs = { original: new Map<string, ValueTensor>(), deployed: new Map<string, ValueTensor>() };
	const { pairing, dims, net } = run.observed?.isComplete
		? run.observed
		: await runBoth({ original, deployed }, run, { pairing: new ValuePairing(options), outputs });
	const { graph } = original.model;
	const values: ValueGraph = {
		order: net.order,
		reads: (node) => net.reads(node),
		outputs: new Set(graph.outputs.map(({ name }) => name)),
		matches: pairing.matches,
		compared: pairing.compared,
		isBlurred: (name) => pairing.blurOf(name) !== undefined,
	};
	const arrivals = new Arrivals(values);
	const { rounded } = deployed;
	const ratioOf = rounded ? await roundedRatios(rounded, part, { pairing, net }) : () => undefined;
	const { inputs, inner } = await foldTensors(original);
	const layers = original.layers.map((layer): LayerValues => {
		if (layer.graphPath !== '') {
			const reason = `The layer is inside ${layer.graphPath}, where the runtime gives no access to tensors.`;
			return { behavior: skipped(reason) };
		}
		const arrival = layerArrival(arrivals, layer, inputs.get(layer) ?? layer.input);
		return layerValues(layer.output, arrival, { pairing, isNoisy: deployed.isNoisy, ratioOf });
	});
	if (deployed.isNoisy) {
		return { layers };
	}
	const names = graph.outputs.map(
		({ name }, index) => [name, pair.deployed.model.graph.outputs[index]?.name ?? ''] as const,
	);
	const { noise } = deployed;
	const quantized = noise && judgeQuantizedOutputs(names, outputs, { noise, unitRoundoff: run.unitRoundoff });
	const lost = arrivals.firstLost();
	const follow = (wanted: readonly string[]) =>
		followBehind({ original, deployed: deployed.file, net, graph: values, dims, feeds: run.feeds }, wanted, {
			...options,
			...{ runtime: run.runtime, unitRoundoff: run.unitRoundoff, context: contextOf(run), probeSeeds: FIRST_PROBES },
		});
	return {
		layers: noise ? layers : await withFollowed(original.layers, layers, { isOpen: run.isOpen, follow }),
		firstDifference: lost === undefined ? null : (inner.get(lost) ?? lost),
		...(quantized ? { outputs: quantized } : { tensors: pairing.matches }),
	};
}

interface Following {
	/** True for layer indices whose parameters do not show that the layer is right. */
	readonly isOpen: (index: number) => boolean;
	readonly follow: (wanted: readonly string[]) => Promise<FollowedValues | undefined>;
}

/** Judges layers behind the first difference on the deployed model's own values, where parameters do not suffice. */
async function withFollowed(
	layers: readonly BatchNormLayer[],
	values: readonly LayerValues[],
	{ isOpen, follow }: Following,
): Promise<readonly LayerValues[]> {
	const isWanted = (index: number) => values[index].behavior.status === 'behind' && isOpen(index);
	const wanted = layers.flatMap(({ output }, index) => (isWanted(index) ? [output] : []));
	const followed = wanted.length > 0 ? await follow(wanted) : undefined;
	return values.map((value, index) => {
		const { output } = layers[index];
		const arrival = followed?.behind.has(output) && isWanted(index) ? followed.arrivals.of(output) : 'lost';
		return followed && typeof arrival !== 'string'
			? { ...value, behavior: { ...value.behavior, reason: followed.reason }, match: arrival }
			: value;
	});
}

interface LayerContext {
	readonly pairing: ValuePairing;
	readonly isNoisy: boolean;
	/** Returns the ratio with rounded activations behind an original tensor, in dB. */
	readonly ratioOf: (name: string) => number | undefined;
}

function layerValues(output: string, arrival: LayerArrival, { pairing, isNoisy, ratioOf }: LayerContext): LayerValues {
	const blur = pairing.blurOf(output);
	const ratio = ratioOf(output);
	switch (arrival.status) {
		case 'unused': {
			const reason =
				blur === undefined ? 'No tensor behind the layer has values that identify it.' : blurredReason(blur);
			return { behavior: { ...skipped(reason), snrDb: ratio ?? null } };
		}
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
				...(ratio !== undefined && { snrDb: ratio, unroundedSnrDb: decibels(size, difference.rms) }),
			};
			return {
				...{ behavior, match, silent: pairing.silentChannels(original) },
				...(arrival.isMisplaced && { misplaced: 'values' }),
			};
		}
		default: {
			const nearest = pairing.nearest(output);
			const reason =
				'The deployed model computes in integers with operators that are not known here, so the noise of their rounding is not known.';
			const behavior: LayerBehavior = {
				status: isNoisy ? 'skipped' : arrival.status,
				tensor: nearest?.deployed ?? null,
				snrDb: nearest ? decibels(nearest.size, nearest.difference.rms) : null,
				maxAbs: nearest?.difference.maxAbs ?? null,
				...(nearest && { maxShare: nearest.difference.maxAbs / nearest.largest }),
				bound: nearest?.bound ?? null,
				...(isNoisy && { reason }),
			};
			const isInputMisplaced = arrival.status === 'mismatch' && arrival.isInputMisplaced;
			return { behavior, ...(isInputMisplaced && { misplaced: 'input' }) };
		}
	}
}

/** @param noise difference that rounding explains, relative to the size of the values */
function blurredReason(noise: number): string {
	return Number.isFinite(noise)
		? `On this input, rounding the deployed weights explains up to ${formatPercent(noise)} of the values behind the layer, so they do not judge it.`
		: 'The effect of rounding the deployed weights on the values behind the layer could not be measured.';
}

export function skipped(reason: string): LayerBehavior {
	return { status: 'skipped', tensor: null, snrDb: null, maxAbs: null, bound: null, reason };
}

/** Takes a model's tensors, and keeps copies of its outputs. */
interface Collector {
	readonly pairing: ValuePairing;
	readonly outputs: Map<string, ValueTensor>;
	/** Receives the dimensions of all tensors. */
	readonly dims: Map<string, readonly number[]>;
}

/** Values inside both models. */
interface RunValues {
	readonly pairing: ValuePairing;
	readonly dims: PairDims;
	/** Nodes of the original. */
	readonly net: NodeNet;
}

async function runBoth(
	{ original, deployed }: { readonly original: OpenedModel; readonly deployed: ComparedDeployment },
	run: ValueRun,
	{
		pairing,
		outputs,
	}: {
		readonly pairing: ValuePairing;
		readonly outputs: Record<'original' | 'deployed', Map<string, ValueTensor>>;
	},
): Promise<RunValues> {
	const dims = { original: new Map<string, readonly number[]>(), deployed: new Map<string, readonly number[]>() };
	const net = await runOriginal(original, run, { pairing, outputs: outputs.original, dims: dims.original });
	await runDeployed(deployed, run, { pairing, outputs: outputs.deployed, dims: dims.deployed });
	return { pairing, dims, net };
}

async function runOriginal(model: OpenedModel, run: ValueRun, { pairing, outputs, dims }: Collector) {
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
		for (const seed of FIRST_PROBES) {
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
	run: ValueRun,
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
function outputTest({ model }: OpenedModel, { quantized }: ValueRun): (name: string) => boolean {
	const names = new Set(model.graph.outputs.map(({ name }) => name));
	return (name) => quantized === 'deployed' && names.has(name);
}

function copyOf(tensor: RuntimeTensor): ValueTensor {
	return { dims: tensor.dims, values: numbersOf(tensor).slice() };
}

/** @param pairing keeps tensors of the original; by default as many as it may keep */
function contextOf(
	{ memory, budget }: ValueRun,
	{ keptBytes }: Pick<ValuePairing, 'keptBytes'> = { keptBytes: budget / 2 },
): RunContext {
	return { memory, budget: budget - keptBytes, watch: new Stopwatch() };
}
