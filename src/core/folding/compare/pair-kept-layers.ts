import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { FLOAT_FORMATS } from '../../numbers/float-formats.js';
import type { FoldParameters } from '../operators/expected.js';
import { layerParameters } from '../operators/layer-parameters.js';
import type { LinearOperator } from '../operators/linear.js';
import { nearPlaces } from '../pairing/near-places.js';
import type { Pairing } from '../pairing/pairing.js';
import type { MatchedNetworks } from '../pairing/partners.js';
import type { Network } from '../targets/network.js';
import type { FoldTarget } from '../targets/target.js';

/**
 * Finds the layers of the original that are still layers in the deployed model: original layer -> deployed layer. A
 * layer behind a paired operator stays behind its partner. For the rest the surrounding operators, the channels and
 * the parameters decide, the best match first.
 */
export function pairLayers(models: PairedNetworks): Map<BatchNormLayer, BatchNormLayer> {
	const [originals, deployeds] = [describeLayers(models.original), describeLayers(models.deployed)];
	const kept = new Map<BatchNormLayer, BatchNormLayer>();
	const used = new Set<BatchNormLayer>();
	for (const [original, deployed] of rankedPairs(originals, deployeds, models.pairing)) {
		if (!kept.has(original.layer) && !used.has(deployed.layer)) {
			kept.set(original.layer, deployed.layer);
			used.add(deployed.layer);
		}
	}
	return kept;
}

type PairedNetworks = Pick<MatchedNetworks, 'original' | 'deployed' | 'pairing'>;

/** Facts about a layer that its pairs share. */
interface PlacedLayer {
	readonly layer: BatchNormLayer;
	readonly target: FoldTarget | undefined;
	/** Linear operators directly in front of the layer and directly behind it. */
	readonly before: ReadonlySet<LinearOperator>;
	readonly after: ReadonlySet<LinearOperator>;
	/** Number of layers behind this layer on the path from the operator. */
	readonly layersBehind: number;
	readonly parameters: FoldParameters | undefined;
}

const NO_OPERATORS: ReadonlySet<LinearOperator> = new Set();

function describeLayers({ layers, targets, beforeLayer, afterLayer }: Network): readonly PlacedLayer[] {
	const behind = new Map<BatchNormLayer, number>();
	for (const { earlier } of targets.values()) {
		for (const layer of new Set(earlier.map((step) => step.layer))) {
			behind.set(layer, (behind.get(layer) ?? 0) + 1);
		}
	}
	return layers.map((layer) => {
		const parameters = layerParameters(layer);
		return {
			layer,
			target: targets.get(layer),
			before: beforeLayer.get(layer) ?? NO_OPERATORS,
			after: afterLayer.get(layer) ?? NO_OPERATORS,
			layersBehind: behind.get(layer) ?? 0,
			parameters: parameters.ok ? parameters.value : undefined,
		};
	});
}

/** Returns the pairs that can be the same layer, the best first. */
function* rankedPairs(
	originals: readonly PlacedLayer[],
	deployeds: readonly PlacedLayer[],
	pairing: Pairing,
): Generator<readonly [PlacedLayer, PlacedLayer]> {
	const pairs: number[] = [];
	const ranks: number[] = [];
	const placesNear = nearPlaces(originals.length, deployeds.length);
	for (const [i, original] of originals.entries()) {
		const { first, end } = placesNear(i);
		for (let j = first; j < end; j++) {
			const rank = rankOf(original, deployeds[j], pairing);
			if (rank !== undefined) {
				const displacement = Math.abs(i / originals.length - j / deployeds.length);
				pairs.push(i * deployeds.length + j);
				ranks.push(rank + 0.5 * displacement);
			}
		}
	}
	const order = Uint32Array.from(pairs, (_, index) => index).sort((a, b) => ranks[a] - ranks[b]);
	for (const index of order) {
		const pair = pairs[index];
		yield [originals[Math.floor(pair / deployeds.length)], deployeds[pair % deployeds.length]];
	}
}

/** Rank of a doubtful pair, behind every pair without doubt. */
const DOUBT = 8;

/**
 * Returns the rank of a pair of layers by place and parameters, lower is better; undefined if they cannot be the same
 * layer.
 */
function rankOf(original: PlacedLayer, deployed: PlacedLayer, pairing: Pairing): number | undefined {
	if (original.layer.channels !== deployed.layer.channels) {
		return undefined;
	}
	const pair = original.target && pairing.byOriginal.get(original.target.operator);
	const isPaired = pair !== undefined || (deployed.target && pairing.byDeployed.has(deployed.target.operator)) === true;
	if (original.target && deployed.target && isPaired) {
		// A fold takes the layers next to the operator, so the kept layers come last.
		return deployed.target.operator === pair?.deployed
			? Math.abs(original.layersBehind - deployed.layersBehind) + 2 * parameterDistance(original, deployed)
			: undefined;
	}
	const before = agreement(original.before, deployed.before, pairing);
	const after = agreement(original.after, deployed.after, pairing);
	if (before + after === 0) {
		return undefined;
	}
	const distance = parameterDistance(original, deployed);
	const isSame = distance <= SAME_PARAMETERS;
	// If one model hides the operator in front, all surroundings must agree.
	const isDoubtful = isPaired && !isSame;
	// The absence of operators before or behind both layers is weak evidence if the operators on the other side are not
	// paired.
	const isPlaced = before + after > 1 || (before > 0 ? original.before : original.after).size > 0;
	if ((isDoubtful && (deployed.target || before + after < 2)) || !(isPlaced || isSame)) {
		return undefined;
	}
	const isDisplaced = (original.target === undefined) !== (deployed.target === undefined);
	const isBehindOther = original.layer.source?.opType !== deployed.layer.source?.opType;
	return (
		2 * (2 - before - after) +
		(isDoubtful ? DOUBT : 0) +
		(isDisplaced ? DISPLACED : 0) +
		(isBehindOther ? BEHIND_OTHER : 0) +
		2 * distance
	);
}

/**
 * Ranks between layers with the same parameters and the same operators around them, as in an untrained network. They
 * favor the layer that stayed in its place: directly behind its operator, or behind the same other node.
 */
const [DISPLACED, BEHIND_OTHER] = [1, 0.5];

/** Returns the share of paired operators around two layers; 1 if both have none. */
function agreement(
	original: ReadonlySet<LinearOperator>,
	deployed: ReadonlySet<LinearOperator>,
	pairing: Pairing,
): number {
	if (original.size === 0 && deployed.size === 0) {
		return 1;
	}
	const shared = [...original].filter((operator) => {
		const pair = pairing.byOriginal.get(operator);
		return pair !== undefined && deployed.has(pair.deployed);
	}).length;
	return shared / Math.max(original.size, deployed.size);
}

/** Largest distance of equal parameters, after rounding to bfloat16. */
const SAME_PARAMETERS = FLOAT_FORMATS.bfloat16.unitRoundoff;
/** Maximum distance of parameters; larger distances count as this. */
const MAX_DISTANCE = 1;
/** Parameters in the order compared. Those with either sign reveal unrelated layers soonest. */
const COMPARED = ['mean', 'beta', 'gamma', 'variance'] as const;

/** Returns the largest relative difference between the parameters of two layers, epsilon included; at most 1. */
function parameterDistance({ parameters: a }: PlacedLayer, { parameters: b }: PlacedLayer): number {
	if (!a || !b || a.gamma.length !== b.gamma.length) {
		return MAX_DISTANCE;
	}
	let worst = relativeDifference(a.epsilon, b.epsilon);
	for (const name of COMPARED) {
		const [values, others] = [a[name], b[name]];
		for (let index = 0; index < values.length && worst < MAX_DISTANCE; index++) {
			worst = Math.max(worst, relativeDifference(values[index], others[index]));
		}
	}
	return Math.min(worst, MAX_DISTANCE);
}

function relativeDifference(a: number, b: number): number {
	if (Object.is(a, b) || a === b) {
		return 0;
	}
	const difference = Math.abs(a - b) / Math.max(Math.abs(a), Math.abs(b));
	return Number.isNaN(difference) ? MAX_DISTANCE : difference;
}
