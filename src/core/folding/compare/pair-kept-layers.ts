import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { FLOAT_FORMATS } from '../../numbers/float-formats.js';
import type { Pairing } from '../pairing/pairing.js';
import type { Network } from '../targets/network.js';
import { isBetween } from '../targets/target.js';
import { parameterDistance } from './judge-kept.js';

/**
 * Finds the layers of the original that are still layers in the deployed model: original index -> deployed index. A
 * layer behind a paired operator stays behind its partner. For the rest the surrounding operators, the channels and
 * the parameters decide, the best match first.
 */
export function pairLayers(original: Network, deployed: Network, pairing: Pairing): Map<number, number> {
	const kept = new Map<number, number>();
	const used = new Set<number>();
	for (const candidate of candidates(original, deployed, pairing)) {
		const { original: i, deployed: j } = candidate;
		if (!kept.has(i) && !used.has(j)) {
			kept.set(i, j);
			used.add(j);
		}
	}
	return kept;
}

interface Candidate {
	readonly original: number;
	readonly deployed: number;
	readonly rank: number;
}

function candidates(original: Network, deployed: Network, pairing: Pairing): Candidate[] {
	const found: Candidate[] = [];
	original.layers.forEach((layer, i) => {
		deployed.layers.forEach((other, j) => {
			const rank = layer.channels === other.channels ? rankOf(original, i, deployed, j, pairing) : undefined;
			if (rank !== undefined) {
				const order = Math.abs(i / original.layers.length - j / deployed.layers.length);
				found.push({ original: i, deployed: j, rank: rank + 0.5 * order + 2 * parameterRank(layer, other) });
			}
		});
	});
	return found.sort((a, b) => a.rank - b.rank);
}

/** Behind every pair that is in no doubt. */
const DOUBT = 8;

/** Lower is better; undefined: cannot be the same layer. */
function rankOf(original: Network, i: number, deployed: Network, j: number, pairing: Pairing): number | undefined {
	const own = original.targets[i];
	const other = deployed.targets[j];
	const partner = own && pairing.byOriginal.get(own.operator.index)?.deployed;
	const otherPartner = other && pairing.byDeployed.get(other.operator.index)?.original;
	if (own && other && (partner !== undefined || otherPartner !== undefined)) {
		// A fold takes the layers next to the operator, so the kept layers are the last ones.
		return other.operator.index === partner
			? Math.abs(layersBehind(original, i) - layersBehind(deployed, j))
			: undefined;
	}
	const before = agreement(original.beforeLayer[i], deployed.beforeLayer[j], pairing);
	const after = agreement(original.afterLayer[i], deployed.afterLayer[j], pairing);
	if (before + after === 0) {
		return undefined;
	}
	const isSame = isSameLayer(original.layers[i], deployed.layers[j]);
	// If the operator in front is uncertain, all surroundings must agree.
	const isDoubtful = (partner !== undefined || otherPartner !== undefined) && !isSame;
	// The absence of operators before or behind both layers is weak evidence if the operators on the other side are not
	// paired.
	const isPlaced = before + after > 1 || (before > 0 ? original.beforeLayer[i] : original.afterLayer[i]).size > 0;
	if ((isDoubtful && (other || before + after < 2)) || !(isPlaced || isSame)) {
		return undefined;
	}
	return 2 * (2 - before - after) + (isDoubtful ? DOUBT : 0);
}

/** Largest rounding between equal parameters: that of bfloat16. */
function isSameLayer(layer: BatchNormLayer, other: BatchNormLayer): boolean {
	const distance = parameterDistance(layer, other);
	return distance !== undefined && distance <= FLOAT_FORMATS.bfloat16.unitRoundoff;
}

/** Returns the number of layers that follow this layer on the path from the same operator. */
function layersBehind({ layers, targets }: Network, index: number): number {
	return targets.filter((target) => isBetween(layers[index], target)).length;
}

/** Share of the operators around two layers that are pairs; two empty surroundings agree. */
function agreement(own: ReadonlySet<number>, other: ReadonlySet<number>, pairing: Pairing): number {
	if (own.size === 0 && other.size === 0) {
		return 1;
	}
	const shared = [...own].filter((operator) => {
		const pair = pairing.byOriginal.get(operator);
		return pair !== undefined && other.has(pair.deployed);
	}).length;
	return shared / Math.max(own.size, other.size);
}

/** 0 for equal parameters, up to 1: breaks ties between layers at places that look the same. */
function parameterRank(layer: BatchNormLayer, other: BatchNormLayer): number {
	const distance = parameterDistance(layer, other);
	return distance === undefined ? 1 : Math.min(distance, 1);
}
