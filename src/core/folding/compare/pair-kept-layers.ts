import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { FLOAT_FORMATS } from '../../numbers/float-formats.js';
import type { LinearOperator } from '../operators/linear.js';
import type { Pairing } from '../pairing/pairing.js';
import type { MatchedNetworks } from '../pairing/partners.js';
import type { Network } from '../targets/network.js';
import { isBetween } from '../targets/target.js';
import { parameterDistance } from './judge-kept.js';

/**
 * Finds the layers of the original that are still layers in the deployed model: original layer -> deployed layer. A
 * layer behind a paired operator stays behind its partner. For the rest the surrounding operators, the channels and
 * the parameters decide, the best match first.
 */
export function pairLayers(models: PairedNetworks): Map<BatchNormLayer, BatchNormLayer> {
	const kept = new Map<BatchNormLayer, BatchNormLayer>();
	const used = new Set<BatchNormLayer>();
	for (const { original, deployed } of rankCandidates(models)) {
		if (!kept.has(original) && !used.has(deployed)) {
			kept.set(original, deployed);
			used.add(deployed);
		}
	}
	return kept;
}

type PairedNetworks = Pick<MatchedNetworks, 'original' | 'deployed' | 'pairing'>;

interface Candidate {
	readonly original: BatchNormLayer;
	readonly deployed: BatchNormLayer;
	readonly rank: number;
}

function rankCandidates(models: PairedNetworks): Candidate[] {
	const [originals, deployeds] = [models.original.layers, models.deployed.layers];
	const candidates = originals.flatMap((original, i) =>
		deployeds.flatMap((deployed, j): Candidate[] => {
			const rank = original.channels === deployed.channels ? rankOf(original, deployed, models) : undefined;
			const displacement = Math.abs(i / originals.length - j / deployeds.length);
			return rank === undefined
				? []
				: [{ original, deployed, rank: rank + 0.5 * displacement + 2 * parameterRank(original, deployed) }];
		}),
	);
	return candidates.sort((a, b) => a.rank - b.rank);
}

/** Rank of a doubtful pair, behind every pair without doubt. */
const DOUBT = 8;

/** Returns the rank of a pair of layers, lower is better; undefined if they cannot be the same layer. */
function rankOf(original: BatchNormLayer, deployed: BatchNormLayer, models: PairedNetworks): number | undefined {
	const { pairing } = models;
	const originalTarget = models.original.targets.get(original);
	const deployedTarget = models.deployed.targets.get(deployed);
	const pair = originalTarget && pairing.byOriginal.get(originalTarget.operator);
	const isPaired = pair !== undefined || (deployedTarget && pairing.byDeployed.has(deployedTarget.operator)) === true;
	if (originalTarget && deployedTarget && isPaired) {
		// A fold takes the layers next to the operator, so the kept layers are the last ones.
		return deployedTarget.operator === pair?.deployed
			? Math.abs(layersBehind(models.original, original) - layersBehind(models.deployed, deployed))
			: undefined;
	}
	const [originalBefore, originalAfter] = surroundingsOf(models.original, original);
	const [deployedBefore, deployedAfter] = surroundingsOf(models.deployed, deployed);
	const before = agreement(originalBefore, deployedBefore, pairing);
	const after = agreement(originalAfter, deployedAfter, pairing);
	if (before + after === 0) {
		return undefined;
	}
	const isSame = isSameLayer(original, deployed);
	// If only one model shows the operator in front, all surroundings must agree.
	const isDoubtful = isPaired && !isSame;
	// The absence of operators before or behind both layers is weak evidence if the operators on the other side are not
	// paired.
	const isPlaced = before + after > 1 || (before > 0 ? originalBefore : originalAfter).size > 0;
	if ((isDoubtful && (deployedTarget || before + after < 2)) || !(isPlaced || isSame)) {
		return undefined;
	}
	const isDisplaced = (originalTarget === undefined) !== (deployedTarget === undefined);
	const isBehindOther = original.source?.opType !== deployed.source?.opType;
	return (
		2 * (2 - before - after) +
		(isDoubtful ? DOUBT : 0) +
		(isDisplaced ? DISPLACED : 0) +
		(isBehindOther ? BEHIND_OTHER : 0)
	);
}

/**
 * Ranks that tell layers with the same parameters and the same operators around them apart, as in an untrained network:
 * a kept layer stays where it was, directly behind its operator or behind the same other node.
 */
const [DISPLACED, BEHIND_OTHER] = [1, 0.5];

const NO_OPERATORS: ReadonlySet<LinearOperator> = new Set();

/** Returns the linear operators directly in front of a layer and directly behind it. */
function surroundingsOf({ beforeLayer, afterLayer }: Network, layer: BatchNormLayer) {
	return [beforeLayer.get(layer) ?? NO_OPERATORS, afterLayer.get(layer) ?? NO_OPERATORS] as const;
}

/** Parameters that are the same but for rounding, to bfloat16 at the coarsest. */
function isSameLayer(original: BatchNormLayer, deployed: BatchNormLayer): boolean {
	const distance = parameterDistance(original, deployed);
	return distance !== undefined && distance <= FLOAT_FORMATS.bfloat16.unitRoundoff;
}

/** Returns the number of layers that follow this layer on the path from the same operator. */
function layersBehind({ targets }: Network, layer: BatchNormLayer): number {
	return Array.from(targets.values()).filter((target) => isBetween(layer, target)).length;
}

/** Returns the share of the operators around two layers that are pairs; two empty surroundings agree. */
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

/** 0 for equal parameters, up to 1: breaks ties between layers at places that look the same. */
function parameterRank(original: BatchNormLayer, deployed: BatchNormLayer): number {
	const distance = parameterDistance(original, deployed);
	return distance === undefined ? 1 : Math.min(distance, 1);
}
