import type { BatchNormLayer } from '../../batchnorm/layer.js';
import type { Checkpoint } from '../../formats/checkpoint.js';
import { buildModel, type LayerReading, usualEpsilon } from '../../formats/model/build.js';
import type { TensorAccess } from '../../onnx/tensor/tensor.js';
import { type Comparison, type LayerComparison, summarize } from '../../report/comparison/comparison.js';
import { shortNumber } from '../../text/numbers.js';
import { count } from '../../text/sentences.js';
import { type ComparedFiles, type ComparedModel, type CompareOptions, compareMatched } from '../compare/compare.js';
import { describeOperators } from '../compare/report-differences.js';
import type { OperatorPair, Pairing } from '../pairing/pairing.js';
import { type Network, readNetwork } from '../targets/network.js';
import { type ChosenFront, chooseFronts } from './choose-fronts.js';
import { compareOtherOperators } from './compare-other-operators.js';
import { findChangedLayers, findKeptLayers } from './find-kept.js';
import {
	type EpsilonEvidence,
	epsilonOfKept,
	type InferredEpsilons,
	inferEpsilons,
	possibleEpsilons,
	USUAL_EPSILONS,
} from './infer-epsilon.js';
import { type LayerValues, readLayerValues } from './layer-values.js';
import { type CheckpointWeights, meanResidual, type PairedWeight, pairWeights } from './read-weights.js';

/** A checkpoint and its file. */
export interface ComparedCheckpoint {
	readonly checkpoint: Checkpoint;
	readonly access: TensorAccess;
}

/** Maximum confidence in another epsilon, because the model's code may set it. */
const MOST_CONFIDENT_EPSILON = 0.9;

/**
 * Compares a checkpoint with a deployed model, without running the model. Most checkpoints have no graph. The operator
 * in front of a layer and the epsilon are therefore hypotheses, and the deployed numbers decide. With them the
 * checkpoint becomes a network that is compared like the original of two ONNX models.
 * @throws {OnnxError} as `compareModels` does
 */
export async function compareCheckpoint(
	checkpoint: ComparedCheckpoint,
	deployedModel: ComparedModel,
	options: CompareOptions = {},
): Promise<Comparison> {
	return (await compareCheckpointNetworks(checkpoint, deployedModel, options)).comparison;
}

/** Compares as {@link compareCheckpoint} does, and returns the networks, too. @throws {OnnxError} */
export async function compareCheckpointNetworks(
	{ checkpoint, access }: ComparedCheckpoint,
	deployedModel: ComparedModel,
	options: CompareOptions = {},
): Promise<ComparedFiles> {
	const deployed = await readNetwork(deployedModel.model, deployedModel.access);
	const weights = await pairWeights(checkpoint, access, deployed);
	const layers = await readLayerValues(checkpoint.layers);
	const { kept, fronts } = placeLayers(layers, weights.paired, deployed);
	const epsilons = inferEpsilons(
		layers
			.filter(({ layer }) => layer.epsilon === undefined)
			.map((values) => evidenceOf(values, kept.get(values.index), fronts.get(values.index))),
		usualEpsilon(checkpoint.format),
	);
	const readings = layers.map(
		({ layer, index }): LayerReading => ({
			layer,
			front: fronts.get(index)?.weight.reading,
			epsilon: epsilons.own.get(index) ?? epsilons.common,
		}),
	);
	const original = await readNetwork(buildModel(checkpoint, readings, otherOperators(weights, fronts)), access);
	const models = {
		original,
		deployed,
		pairing: pairingOf(original, weights.paired),
		kept: new Map(
			original.layers.flatMap((layer, index) => {
				const partner = kept.get(index);
				return partner ? [[layer, partner] as const] : [];
			}),
		),
	};
	const comparison = await compareMatched(models, options);
	const judged = comparison.layers
		.map((layer, index) => withOtherWeights(layer, fronts.get(index)?.weight))
		.map((layer, index) => withOdds(layer, layers[index], epsilons));
	const operators = await compareOtherOperators(models);
	const foreign = describeForeign(weights);
	const notes = [
		...comparison.notes,
		...(foreign.length > 0 ? foreign : describeOperators(operators)),
		...epsilons.notes,
		...describeFronts(layers, fronts),
	];
	const summary = summarize(judged);
	return {
		comparison: { ...comparison, layers: judged, summary, notes, ...(operators.length > 0 && { operators }) },
		models,
	};
}

interface Places {
	/** Layer index -> layer of the deployed model. */
	readonly kept: ReadonlyMap<number, BatchNormLayer>;
	/** Layer index -> operator in front. */
	readonly fronts: ReadonlyMap<number, ChosenFront>;
}

/**
 * Places the layers of the checkpoint in the deployed model, in this order: layers with the same parameters, layers
 * with a scale that the deployed weights carry, changed layers, and the rest by the checkpoint's own candidates.
 */
function placeLayers(layers: readonly LayerValues[], paired: readonly PairedWeight[], deployed: Network): Places {
	const same = findKeptLayers(layers, deployed.layers, USUAL_EPSILONS);
	const first = frontsOfKept(same, paired, deployed);
	const isOpen = ({ index }: LayerValues) => !same.has(index);
	const folded = chooseFronts(layers.filter(isOpen), freeOf(paired, first), USUAL_EPSILONS);
	const undecided = layers.filter((layer) => isOpen(layer) && folded.get(layer.index)?.confirmed !== true);
	const taken = new Set(same.values());
	const changed = findChangedLayers(
		undecided,
		deployed.layers.filter((layer) => !taken.has(layer)),
	);
	const kept = new Map([...same, ...changed]);
	const keptFronts = frontsOfKept(kept, paired, deployed);
	const rest = chooseFronts(
		layers.filter(({ index }) => !kept.has(index)),
		freeOf(paired, keptFronts),
		USUAL_EPSILONS,
	);
	return { kept, fronts: new Map([...keptFronts, ...rest]) };
}

function freeOf(paired: readonly PairedWeight[], fronts: ReadonlyMap<number, ChosenFront>): readonly PairedWeight[] {
	const taken = new Set(Array.from(fronts.values(), ({ weight }) => weight));
	return paired.filter((weight) => !taken.has(weight));
}

/** Returns the deployed operators in front of the kept layers. */
function frontsOfKept(
	kept: ReadonlyMap<number, BatchNormLayer>,
	paired: readonly PairedWeight[],
	{ targets }: Network,
): ReadonlyMap<number, ChosenFront> {
	const byOperator = new Map(paired.map((weight) => [weight.pair.deployed, weight]));
	return new Map(
		Array.from(kept).flatMap(([index, layer]) => {
			const target = targets.get(layer);
			const weight = target && byOperator.get(target.operator);
			return weight?.ratio.length === layer.channels ? [[index, { weight, confirmed: true }] as const] : [];
		}),
	);
}

function evidenceOf(
	values: LayerValues,
	kept: BatchNormLayer | undefined,
	front: ChosenFront | undefined,
): EpsilonEvidence {
	const { index, layer } = values;
	const possible = kept ? epsilonOfKept(values, kept) : front?.confirmed ? possibleEpsilons(values, front.weight) : [];
	return { index, name: layer.name, possible, ...(kept && { isWritten: kept.kind !== 'batchnorm' }) };
}

/** Returns the checkpoint's operators in front of no layer. */
function otherOperators({ paired, unpaired }: CheckpointWeights, fronts: ReadonlyMap<number, ChosenFront>) {
	return [...freeOf(paired, fronts).map(({ reading }) => reading), ...unpaired];
}

function pairingOf({ operators }: Network, paired: readonly PairedWeight[]): Pairing {
	const byName = new Map(paired.map((weight) => [weight.reading.weight.name, weight]));
	const pairs = operators.flatMap((original): OperatorPair[] => {
		const weight = byName.get(original.weight);
		return weight ? [{ original, ...weight.pair }] : [];
	});
	return {
		byOriginal: new Map(pairs.map((pair) => [pair.original, pair])),
		byDeployed: new Map(pairs.map((pair) => [pair.deployed, pair])),
		comparable: pairs.length,
	};
}

/**
 * Flags a layer that fits another epsilon than the rest. In a checkpoint of half precision each channel may be off by
 * more than the epsilon changes, so that only the mean over the channels shows it.
 */
function withOdds(
	layer: LayerComparison,
	values: LayerValues | undefined,
	{ atOdds, common }: InferredEpsilons,
): LayerComparison {
	const epsilon = values && atOdds.get(values.index);
	if (epsilon === undefined) {
		return layer;
	}
	if (layer.status === 'mismatch') {
		return { ...layer, confidence: Math.min(layer.confidence, MOST_CONFIDENT_EPSILON) };
	}
	if (values?.source !== 'float16' && values?.source !== 'bfloat16') {
		return layer;
	}
	const evidence = `The mean over the channels fits epsilon ${shortNumber(epsilon)}, while the other layers fit ${shortNumber(common)}.`;
	const verdict = { status: 'mismatch', cause: 'wrong-epsilon', causes: ['wrong-epsilon'] } as const;
	return { ...layer, ...verdict, confidence: MOST_CONFIDENT_EPSILON, evidence };
}

/** Mean residual of a row above which its weights are unrelated to the checkpoint's. */
const FOREIGN = 0.7;

const isForeign = (weight: PairedWeight): boolean => weight.rowLength > 1 && meanResidual(weight) > FOREIGN;

/** States that the weights around a wrong layer are not the checkpoint's, which explains more than its parameters. */
function withOtherWeights(layer: LayerComparison, front: PairedWeight | undefined): LayerComparison {
	const isUnexplained =
		layer.status === 'mismatch' && (layer.cause === 'unknown' || layer.cause === 'stale-statistics');
	if (!isUnexplained || layer.details.similarity || !front || !isForeign(front)) {
		return layer;
	}
	const cosine = Math.sqrt(1 - meanResidual(front) ** 2);
	return {
		...layer,
		cause: 'unknown',
		causes: ['unknown'],
		confidence: 0,
		details: { ...layer.details, similarity: { kind: 'other-weights', cosine } },
		evidence: `${layer.evidence} The weights in front of it have nothing in common with the checkpoint's either.`,
	};
}

/** Returns a note if most of the weights are not the checkpoint's. */
function describeForeign({ paired }: CheckpointWeights): readonly string[] {
	const foreign = paired.filter(isForeign).length;
	return foreign > 0 && 2 * foreign >= paired.length
		? [
				`Other weights: the networks have one shape, but the weights of ${foreign} of ${count(paired.length, 'operator')} have nothing in common. The deployed model was made from another checkpoint.`,
			]
		: [];
}

function describeFronts(layers: readonly LayerValues[], fronts: ReadonlyMap<number, ChosenFront>): readonly string[] {
	// The graph of a Keras model states the operators.
	const open = layers.filter(({ layer, index }) => !layer.input && fronts.has(index));
	const confirmed = open.filter(({ index }) => fronts.get(index)?.confirmed).length;
	const placed = open.length;
	if (placed === 0) {
		return [];
	}
	const sentence = `The checkpoint has no graph: the deployed weights show the operator in front of ${count(confirmed, 'layer')}.`;
	const rest = placed - confirmed;
	return [rest === 0 ? sentence : `${sentence} In front of ${rest} more it was inferred from names, shapes and order.`];
}
