import type { BatchNormLayer } from '../../batchnorm/layer.js';
import type { Checkpoint } from '../../formats/checkpoint.js';
import { isOperatorWeight } from '../../formats/layers/front.js';
import type { Network } from '../targets/network.js';
import { chooseBehind, type ForwardLayer, isDepthwise } from './choose-behind.js';
import { type ChosenFront, chooseFronts, scaleOf } from './choose-fronts.js';
import { findChangedLayers, findKeptLayers } from './find-kept.js';
import { type EpsilonEvidence, epsilonOfKept, possibleEpsilons, USUAL_EPSILONS } from './infer-epsilon.js';
import type { MergedBranches } from './judge-branches.js';
import type { LayerValues } from './layer-values.js';
import { findMergedBranches } from './merged-branches.js';
import { type CheckpointWeights, meanResidual, type PairedWeight } from './read-weights.js';

/** Places of the checkpoint's layers in the deployed model, by the index of the layer. */
export interface Places {
	/** Layers of the deployed model. */
	readonly kept: ReadonlyMap<number, BatchNormLayer>;
	/** Operators in front. */
	readonly fronts: ReadonlyMap<number, ChosenFront>;
	/** Layers that went into the operator behind them. */
	readonly forward: ReadonlyMap<number, ForwardLayer>;
	/** All weights, measured again where a layer stands in front of them. */
	readonly paired: readonly PairedWeight[];
	/** Weights without a counterpart of their own. */
	readonly unpaired: CheckpointWeights['unpaired'];
	/** Blocks of branches that went into one operator. */
	readonly merged: readonly MergedBranches[];
	/** Indices of the layers without a place that a whole deployed model must have. */
	readonly lost: ReadonlySet<number>;
}

interface Models {
	readonly checkpoint: Checkpoint;
	readonly deployed: Network;
}

/**
 * Places the layers of the checkpoint in the deployed model: each by itself, then layers without a place as branches
 * that were merged.
 */
export async function placeLayers(
	layers: readonly LayerValues[],
	weights: CheckpointWeights,
	models: Models,
): Promise<Places> {
	const single = await placeSingly(layers, weights, models);
	const isLost = ({ index }: LayerValues) =>
		!single.kept.has(index) && !single.forward.has(index) && single.fronts.get(index)?.confirmed !== true;
	const merged = await findMergedBranches(layers.filter(isLost), models, USUAL_EPSILONS);
	if (merged.length === 0) {
		return { ...single, unpaired: weights.unpaired, merged };
	}
	const taken = new Set<unknown>(merged.flatMap((block) => [...block.layers, ...block.weights, block.operator]));
	const isTaken = ({ reading, pair }: PairedWeight) => taken.has(reading.weight) || taken.has(pair.deployed);
	const rest = { ...weights, paired: weights.paired.filter((weight) => !isTaken(weight)) };
	const unpaired = [...weights.unpaired, ...weights.paired.filter(isTaken).map(({ reading }) => reading)];
	const open = layers.filter((layer) => !taken.has(layer));
	return { ...(await placeSingly(open, rest, models)), unpaired, merged };
}

/**
 * Places layers of the checkpoint singly in the deployed model: layers with the same parameters first, then layers whose
 * scale the deployed weights carry, on their output or their input channels, then changed layers, and the rest by the
 * checkpoint's own candidates.
 */
async function placeSingly(
	layers: readonly LayerValues[],
	weights: CheckpointWeights,
	{ checkpoint, deployed }: Models,
): Promise<Omit<Places, 'unpaired' | 'merged'>> {
	const same = findKeptLayers(layers, deployed.layers, USUAL_EPSILONS);
	const isOpen = ({ index }: LayerValues) => !same.has(index);
	const open = layers.filter(isOpen);
	const isExpected = createExpectation(checkpoint, weights.paired);
	const search = { epsilons: USUAL_EPSILONS, order: checkpoint.order, isExpected };
	const first = chooseFronts({
		...search,
		layers: open,
		weights: freeOf(weights.paired, frontsOfKept(same, weights.paired, deployed)),
	});
	const displaced = open.filter((layer) => {
		const front = first.get(layer.index);
		return front?.confirmed !== true || (isDepthwise(front.weight, layer.layer.channels) && !isInFront(layer, front));
	});
	const { found: forward, paired } = await chooseBehind(displaced, weights, { checkpoint, epsilons: USUAL_EPSILONS });
	const folded = chooseFronts({
		...search,
		layers: open.filter(({ index }) => !forward.has(index)),
		weights: freeOf(paired, frontsOfKept(same, paired, deployed)),
	});
	const undecided = displaced.filter(({ index }) => !forward.has(index) && folded.get(index)?.confirmed !== true);
	const taken = new Set(same.values());
	const changed = findChangedLayers(
		undecided,
		deployed.layers.filter((layer) => !taken.has(layer)),
	);
	const kept = new Map([...same, ...changed]);
	const keptFronts = frontsOfKept(kept, paired, deployed);
	const rest = chooseFronts({
		...search,
		layers: layers.filter(({ index }) => !kept.has(index) && !forward.has(index)),
		weights: freeOf(paired, keptFronts),
	});
	const fronts = new Map([...keptFronts, ...rest]);
	const absent = layers.filter(({ index }) => !kept.has(index) && !forward.has(index) && !fronts.has(index));
	const left = deployed.layers.filter((layer) => ![...kept.values()].includes(layer));
	const mayBe = ({ layer }: LayerValues) => left.some(({ channels }) => channels === layer.channels || channels === 0);
	const lost = absent.filter((values) => isExpected(values) && !mayBe(values));
	return { kept, fronts, forward, paired, lost: new Set(lost.map(({ index }) => index)) };
}

/** True if the file has the chosen weight among the layer's possible operators in front. */
function isInFront({ layer }: LayerValues, { weight }: ChosenFront): boolean {
	return layer.front.some((candidate) => candidate.weight === weight.reading.weight);
}

/** Mean residual of a weight's rows up to which they are the checkpoint's, with any scale of each row. */
const FITS = 0.05;

/**
 * Returns a test for layers that a whole deployed model must have: the weights next to the layer in the file are there,
 * and training changed its statistics. An unused layer keeps mean 0 and variance 1.
 */
function createExpectation({ tensors }: Checkpoint, paired: readonly PairedWeight[]) {
	const positions = new Map(tensors.map((tensor, position) => [tensor, position]));
	const arrived = new Set(paired.filter((weight) => meanResidual(weight) <= FITS).map(({ reading }) => reading.weight));
	return ({ layer, parameters: { mean, variance } }: LayerValues): boolean => {
		const at = positions.get(layer.mean) ?? 0;
		const before = tensors.slice(0, at).findLast(isOperatorWeight);
		const behind = tensors.slice(at).find(isOperatorWeight);
		const isUsed = mean.some((value) => value !== 0) || variance.some((value) => value !== 1);
		return isUsed && [before, behind].every((weight) => weight === undefined || arrived.has(weight));
	};
}

export function freeOf(
	paired: readonly PairedWeight[],
	fronts: ReadonlyMap<number, ChosenFront>,
): readonly PairedWeight[] {
	const taken = new Set(Array.from(fronts.values(), ({ weight }) => weight));
	return paired.filter((weight) => !taken.has(weight));
}

/** Returns the operators that stand in front of the kept layers in the deployed model. */
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
			return weight?.ratio.length === layer.channels
				? [[index, { weight, confirmed: true, chain: [], fitted: [] }] as const]
				: [];
		}),
	);
}

/** Returns the epsilons of a layer that the deployed model shows. */
export function evidenceOf(values: LayerValues, { kept, fronts, forward, merged }: Places): EpsilonEvidence {
	const { index, layer } = values;
	const partner = kept.get(index);
	const front = fronts.get(index);
	const possible = partner
		? epsilonOfKept(values, partner)
		: front?.confirmed
			? epsilonsBehind(values, front)
			: (forward.get(index)?.possible ?? merged.find((block) => block.layers.includes(values))?.possible ?? []);
	return { index, name: layer.name, possible, ...(partner && { isWritten: partner.kind !== 'batchnorm' }) };
}

/** Lists the epsilons that explain a layer's share of the ratios, with the same epsilon for all layers in the weights. */
function epsilonsBehind(values: LayerValues, { weight, fitted }: ChosenFront): readonly number[] {
	const others = fitted.filter(({ index }) => index !== values.index);
	if (others.length === 0) {
		return possibleEpsilons(values, weight);
	}
	return USUAL_EPSILONS.filter((epsilon) => {
		const rest = scaleOf(others, epsilon);
		const ratio = weight.ratio.map((value, row) => value / rest[row]);
		return possibleEpsilons(values, { ...weight, ratio }).includes(epsilon);
	});
}
