import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import { Arrivals, layerArrival, type ValueGraph } from '../../../core/folding/values/arrival.js';
import type { ValueTensor } from '../../../core/folding/values/difference.js';
import { roundingTolerance } from '../../../core/folding/values/rounding-tolerance.js';
import type { LayerValues, ValueComparison } from '../../../core/folding/values/value-comparison.js';
import { ValuePairing } from '../../../core/folding/values/value-pairing.js';
import { inlineFunctions } from '../model/inline-functions.js';
import type { OpenedModel } from '../model/opened-model.js';
import { randomNode } from '../model/random-node.js';
import {
	type ComparedDeployment,
	comparedDeployment,
	type DeploymentRun,
	roundedRatios,
} from './compared-deployment.js';
import { type FoldTensors, foldTensors } from './fold-tensors.js';
import { type FollowedValues, followBehind } from './follow-behind.js';
import { layerValues, skipped } from './layer-values.js';
import type { ObservedPair } from './observed-pair.js';
import { judgeQuantizedOutputs, type QuantizedOutputs } from './quantized-outputs.js';
import { contextOf, type PairRun, type RunValues, runBoth, VALUE_PROBES } from './run-both.js';

export interface ValueRun extends PairRun {
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
	const folds = await foldTensors(original);
	const judge = (values: RunValues) => judgeLayers(original, values, { folds, deployed, part });
	const { observed } = run;
	const first = observed?.isComplete ? await judge(observed) : undefined;
	const isDecided = first && (!observed?.isLean || isSettled(first));
	const judged = isDecided
		? first
		: await judge(await runBoth({ original, deployed }, run, { pairing: new ValuePairing(options), outputs }));
	const { layers, arrivals, graph, values } = judged;
	const { pairing, dims, net } = values;
	if (deployed.isNoisy) {
		return { layers };
	}
	const names = original.model.graph.outputs.map(
		({ name }, index) => [name, pair.deployed.model.graph.outputs[index]?.name ?? ''] as const,
	);
	const { noise } = deployed;
	const quantized = noise && judgeQuantizedOutputs(names, outputs, { noise, unitRoundoff: run.unitRoundoff });
	const lost = arrivals.firstLost();
	const follow = (wanted: readonly string[]) =>
		followBehind({ original, deployed: deployed.file, net, graph, dims, feeds: run.feeds }, wanted, {
			...options,
			...{ runtime: run.runtime, unitRoundoff: run.unitRoundoff, context: contextOf(run), probeSeeds: VALUE_PROBES },
		});
	return {
		layers: noise ? layers : await withFollowed(original.layers, layers, { isOpen: run.isOpen, follow }),
		firstDifference: lost === undefined ? null : (folds.inner.get(lost) ?? lost),
		...(quantized ? { outputs: quantized } : { tensors: pairing.matches }),
	};
}

interface JudgeContext {
	readonly folds: FoldTensors;
	readonly deployed: ComparedDeployment;
	readonly part: DeploymentRun;
}

/** Layers of the original as values judge them. */
interface JudgedLayers {
	readonly layers: readonly LayerValues[];
	readonly arrivals: Arrivals;
	readonly graph: ValueGraph;
	readonly values: RunValues;
}

async function judgeLayers(
	original: OpenedModel,
	values: RunValues,
	{ folds, deployed, part }: JudgeContext,
): Promise<JudgedLayers> {
	const { pairing, net } = values;
	const graph: ValueGraph = {
		order: net.order,
		reads: (node) => net.reads(node),
		outputs: new Set(original.model.graph.outputs.map(({ name }) => name)),
		matches: pairing.matches,
		compared: pairing.compared,
		isBlurred: (name) => pairing.blurOf(name) !== undefined,
	};
	const arrivals = new Arrivals(graph);
	const { rounded } = deployed;
	const ratioOf = rounded ? await roundedRatios(rounded, part, { pairing, net }) : () => undefined;
	const layers = original.layers.map((layer): LayerValues => {
		if (layer.graphPath !== '') {
			const reason = `The layer is inside ${layer.graphPath}, where the runtime gives no access to tensors.`;
			return { behavior: skipped(reason) };
		}
		const arrival = layerArrival(arrivals, layer, folds.inputs.get(layer) ?? layer.input);
		return layerValues(layer.output, arrival, { pairing, isNoisy: deployed.isNoisy, ratioOf });
	});
	return { layers, arrivals, graph, values };
}

/** True if further runs, which can only widen the bounds, would not change a verdict. */
function isSettled({ layers, arrivals, values: { pairing } }: JudgedLayers): boolean {
	const areAllArrived = layers.every(({ behavior }) => behavior.status === 'match' || behavior.status === 'skipped');
	// Wider bounds may show that elements correspond in row-major order.
	const isSorted = [...pairing.matches.values()].some(({ difference }) => difference.order === 'sorted');
	return areAllArrived && !isSorted && arrivals.firstLost() === undefined;
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
