import type { Checkpoint } from '../../formats/checkpoint.js';
import { buildModel, type LayerReading, type OperatorReading, usualEpsilon } from '../../formats/model/build.js';
import type { TensorAccess } from '../../onnx/tensor/tensor.js';
import { type Comparison, type LayerComparison, summarize } from '../../report/comparison/comparison.js';
import { shortNumber } from '../../text/numbers.js';
import { count } from '../../text/sentences.js';
import {
	type ComparedFiles,
	type ComparedModel,
	type CompareOptions,
	compareMatched,
	describeOtherWeights,
} from '../compare/compare.js';
import { cannotTell } from '../compare/judge-fold.js';
import { reportAbsent, reportMerged } from '../compare/placement-verdicts.js';
import { describeOperators } from '../compare/report-differences.js';
import { ORDER_CONFIDENCE } from '../compare/undecided.js';
import type { LinearOperator } from '../operators/linear.js';
import type { OperatorPair, Pairing } from '../pairing/pairing.js';
import { type Network, readNetwork } from '../targets/network.js';
import { arrangeModel, haveSlopesArrived } from './arrange-model.js';
import { type ChosenFront, findExchangedFronts } from './choose-fronts.js';
import { compareConstants } from './compare-constants.js';
import { compareCopies } from './compare-copies.js';
import { compareOtherOperators } from './compare-other-operators.js';
import { findExchangedLayers } from './find-kept.js';
import { findHiddenOrders, type HiddenOrders } from './hidden-order.js';
import { type InferredEpsilons, inferEpsilons } from './infer-epsilon.js';
import type { MergedBranches } from './judge-branches.js';
import { type LayerValues, readLayerValues } from './layer-values.js';
import { findOtherNormalizations, type OtherNormalization } from './other-normalizations.js';
import { evidenceOf, freeOf, type Places, placeLayers } from './place-layers.js';
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
	const { deployed, weights, orders } = await pairArranged({ checkpoint, access }, deployedModel);
	const layers = await readLayerValues(checkpoint.layers);
	const others = await findOtherNormalizations(layers, deployed, weights.paired);
	const batchNorms = layers.filter(({ index }) => !others.has(index));
	const places = await placeLayers(batchNorms, weights, { checkpoint, deployed });
	const { kept, fronts, paired } = places;
	const epsilons = inferEpsilons(
		batchNorms.filter(({ layer }) => layer.epsilon === undefined).map((values) => evidenceOf(values, places)),
		usualEpsilon(checkpoint.format),
	);
	const readings = layers.map(
		({ layer, index }): LayerReading => ({
			layer,
			...surroundingsOf(index, places),
			epsilon: epsilons.own.get(index) ?? epsilons.common,
		}),
	);
	const free = freeOf(paired, fronts);
	const operatorsLeft = [...free.filter(({ copyOf }) => !copyOf).map(readingOf), ...places.unpaired];
	const original = await readNetwork(buildModel(checkpoint, readings, operatorsLeft), access);
	const models = {
		original,
		deployed,
		pairing: pairingOf(original, paired),
		kept: new Map(
			original.layers.flatMap((layer, index) => {
				const partner = kept.get(index);
				return partner ? [[layer, partner] as const] : [];
			}),
		),
	};
	const comparison = await compareMatched(models, options);
	const exchanged = new Map([...findExchangedLayers(batchNorms, kept), ...findExchangedFronts(batchNorms, fronts)]);
	const judged = comparison.layers
		.map((layer, index) => withOtherWeights(layer, fronts.get(index)?.weight))
		.map((layer, index) => withOdds(layer, layers[index], epsilons))
		.map((layer, index) => mergedVerdict(layer, places.merged, layers[index]))
		.map((layer, index) => withLoss(layer, places.lost.has(layers[index]?.index ?? index)))
		.map((layer, index) => withOtherNormalization(layer, others.get(layers[index]?.index ?? index)))
		.map((layer) => withOrder(layer, orders))
		.map((layer, index) => withOrderInFront(layer, kept.has(index) ? fronts.get(index)?.weight : undefined))
		.map((layer, index) => withExchange(layer, exchanged.get(layers[index]?.index ?? index)));
	const mergedNames = new Set(places.merged.flatMap((block) => block.layers.map(({ layer }) => layer.name)));
	const operators = [
		...(await compareOtherOperators(models, mergedNames)),
		...(await compareCopies(free, paired, weights.read)),
		...(await compareConstants(checkpoint, deployed)),
	];
	const foreign = describeForeign(paired);
	const same = foreign.length > 0 ? describeOtherWeights(comparison.layers) : [];
	const notes = [
		...(places.merged.length > 0
			? [describeMerged(places.merged)]
			: comparison.notes.filter((note) => !same.includes(note))),
		...(foreign.length > 0
			? foreign
			: [
					...describeOperators(operators),
					...describeOrders(orders),
					...epsilons.notes,
					...describeFronts(layers, fronts),
				]),
	];
	const summary = summarize(judged);
	return {
		comparison: { ...comparison, layers: judged, summary, notes, ...(operators.length > 0 && { operators }) },
		models,
	};
}

/** States that the deployed model has a layer as another normalization, which no fold takes in. */
function withOtherNormalization(layer: LayerComparison, other: OtherNormalization | undefined): LayerComparison {
	const evidence = other?.isComputed
		? `The deployed model still has the layer as ${other.opType}, but computes its parameters as it runs, so they cannot be compared.`
		: `The deployed model has ${other?.opType} with the gamma and beta of this layer, so it is no batch normalization.`;
	return other ? { ...layer, ...cannotTell(evidence, 'unmatched'), into: null } : layer;
}

/** Confidence in an exchange that the names of the deployed parameters show. */
const EXCHANGE_CONFIDENCE = 0.9;

/** States that a kept layer stands where another one belongs. @param other name of that layer */
function withExchange(layer: LayerComparison, other: string | undefined): LayerComparison {
	const isRight = layer.status === 'kept' || layer.status === 'match';
	const evidence =
		layer.status === 'kept'
			? `The deployed model has the parameters of this layer under the name of ${other}: layers of one size were exchanged.`
			: `The operator in front of ${other} in the checkpoint carries this layer, and the operator in front of this layer carries ${other}: layers of one size were exchanged.`;
	return other !== undefined && isRight
		? {
				...layer,
				status: 'mismatch',
				cause: 'layers-exchanged',
				causes: ['layers-exchanged'],
				confidence: EXCHANGE_CONFIDENCE,
				evidence,
			}
		: layer;
}

/** States that a layer without a counterpart was lost, because the operators next to it arrived without it. */
function withLoss(layer: LayerComparison, isLost: boolean): LayerComparison {
	return isLost && layer.status === 'unmatched' ? { ...layer, ...reportAbsent() } : layer;
}

interface ArrangedNetwork {
	readonly deployed: Network;
	readonly weights: CheckpointWeights;
	readonly orders: HiddenOrders | undefined;
}

/** Reads the deployed model and pairs its weights, with hidden channels in the checkpoint's order. */
async function pairArranged({ checkpoint, access }: ComparedCheckpoint, file: ComparedModel): Promise<ArrangedNetwork> {
	const deployed = await readNetwork(file.model, file.access);
	const weights = await pairWeights(checkpoint, access, deployed);
	const orders = await findHiddenOrders(weights, deployed);
	const model = orders && arrangeModel(file.model, orders, file.access);
	if (!model || !(await haveSlopesArrived(model, checkpoint, file.access))) {
		return { deployed, weights, orders: orders && { ...orders, operators: new Map() } };
	}
	const arranged = await readNetwork(model, file.access);
	return { deployed: arranged, weights: await pairWeights(checkpoint, access, arranged), orders };
}

/**
 * States that channels are in another order: harmless if the operators behind follow it, a mistake if one does not, and
 * else in doubt.
 */
function withOrder(layer: LayerComparison, orders: HiddenOrders | undefined): LayerComparison {
	const isInto = (operator: LinearOperator) => operator.weight === layer.into?.weight;
	const isMoved = [...(orders?.operators ?? [])].some(([operator, { output }]) => output && isInto(operator));
	if (isMoved && layer.status === 'match') {
		const evidence = `${layer.evidence} Its hidden channels are permuted, and each operator behind reads them in this order.`;
		return { ...layer, evidence };
	}
	if (layer.cause !== 'channels-permuted') {
		return layer;
	}
	if ([...(orders?.refuted ?? [])].some(isInto)) {
		return { ...layer, evidence: `${layer.evidence} The operator behind reads them in the checkpoint's order.` };
	}
	const evidence = `${layer.evidence} If the next operator reads them in this order, nothing is wrong: a checkpoint cannot be run, so compare with an ONNX export of it.`;
	return { ...layer, confidence: Math.min(layer.confidence, ORDER_CONFIDENCE), evidence };
}

/** Mean residual of a row above which the rows in front of a kept layer may stand in another order, too. */
const MOVED = 0.05;

/**
 * States that the parameters of a kept layer may follow the operator in front, whose rows are not the checkpoint's in their
 * order either. @param front weight in front of a kept layer
 */
function withOrderInFront(layer: LayerComparison, front: PairedWeight | undefined): LayerComparison {
	if (layer.cause !== 'parameters-permuted' || !front || !(meanResidual(front) > MOVED)) {
		return layer;
	}
	const evidence = `${layer.evidence} The rows of ${front.pair.deployed.name} in front stand in another order as well. If the next operator reads them in this order, nothing is wrong: a checkpoint cannot be run, so compare with an ONNX export of it.`;
	return { ...layer, confidence: Math.min(layer.confidence, ORDER_CONFIDENCE), evidence };
}

/** Returns a note if hidden channels were in another order. */
function describeOrders(orders: HiddenOrders | undefined): readonly string[] {
	const moved = [...(orders?.operators.values() ?? [])].filter(({ output }) => output).length;
	return moved === 0
		? []
		: [
				`The deployed model has the hidden channels of ${count(moved, 'operator')} in another order, and each operator behind reads them in this order, so they were compared in the checkpoint's order.`,
			];
}

/** Returns the verdict on a layer of a block of branches that went into one operator; other layers keep theirs. */
function mergedVerdict(
	layer: LayerComparison,
	merged: readonly MergedBranches[],
	values: LayerValues | undefined,
): LayerComparison {
	const block = merged.find(({ layers }) => layers.some((branch) => branch === values));
	if (!block) {
		return layer;
	}
	const { operator, layers, fault, maxAbs, bound } = block;
	const { name, node, weight, bias } = operator;
	const isFaulty = fault?.layers.some((branch) => branch === values) ?? false;
	const verdict = reportMerged(name, { branches: layers.length, ...(fault && { ...fault, isFaulty }) });
	const into = { name, op: node.opType, weight, bias: bias || null };
	return { ...layer, ...verdict, into, maxAbs, bound };
}

/** Returns the operator in front of a layer, or the layer between the two. */
function surroundingsOf(index: number, { fronts }: Places): Pick<LayerReading, 'front' | 'behind'> {
	const front = fronts.get(index);
	const at = front?.chain.findIndex((layer) => layer.index === index) ?? -1;
	const before = front?.chain[at - 1];
	return before ? { front: undefined, behind: before.layer.name } : { front: front && readingOf(front.weight) };
}

/** Returns the reading of a weight, behind the layer that its input channels carry. */
function readingOf({ reading, pair, behind }: PairedWeight): OperatorReading {
	const { scope, node } = pair.deployed;
	const padding = ['pads', 'auto_pad'].flatMap((name) => scope.attribute(node, name) ?? []);
	return behind ? { ...reading, padding, behind: behind.layer.name } : reading;
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

/** Returns a note if most of the weights are not those of the checkpoint. */
function describeForeign(paired: readonly PairedWeight[]): readonly string[] {
	const foreign = paired.filter(isForeign).length;
	return foreign > 0 && 2 * foreign >= paired.length
		? [
				`The shapes are the same, but the weights of ${foreign} of ${count(paired.length, 'operator')} have nothing in common with the checkpoint's: the deployed model was made from another checkpoint.`,
			]
		: [];
}

function describeMerged(merged: readonly MergedBranches[]): string {
	const branches = merged.reduce((sum, { layers }) => sum + layers.length, 0);
	return `${branches} layers on parallel branches were merged into ${count(merged.length, 'operator')}: each operator is the sum of the branches below one name of the checkpoint.`;
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
