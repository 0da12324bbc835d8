import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { type Result, success } from '../../result.js';
import type { LinearOperator } from '../operators/linear.js';
import type { OperatorWeights } from '../operators/weights.js';
import type { Network } from '../targets/network.js';
import { WeightCache } from '../targets/weight-cache.js';
import type { OperatorPair, Pairing } from './pairing.js';

/** Two models with their pairs of operators and layers. */
export interface MatchedNetworks {
	readonly original: Network;
	readonly deployed: Network;
	readonly pairing: Pairing;
	/** Layers that are still layers: original layer -> deployed layer. */
	readonly kept: ReadonlyMap<BatchNormLayer, BatchNormLayer>;
}

/** A pair of operators with both operators' constants. */
export interface ReadPair {
	readonly pair: OperatorPair;
	readonly originalWeights: OperatorWeights;
	readonly deployedWeights: OperatorWeights;
}

/** Finds the partners of original operators and reads their constants. */
export class PartnerReader {
	readonly #models: MatchedNetworks;
	readonly #originals: WeightCache;
	readonly #deployeds: WeightCache;
	#next: OperatorPair | undefined;

	constructor(models: MatchedNetworks) {
		this.#models = models;
		this.#originals = new WeightCache(models.original);
		this.#deployeds = new WeightCache(models.deployed);
	}

	/** Returns the pair of an original operator. */
	pairOf(operator: LinearOperator): OperatorPair | undefined {
		return this.#models.pairing.byOriginal.get(operator);
	}

	/** Returns the pair of the operator in front of an original layer. */
	pairBefore(layer: BatchNormLayer): OperatorPair | undefined {
		const target = this.#models.original.targets.get(layer);
		return target && this.pairOf(target.operator);
	}

	/** Announces the next layer, so that its weights are read while the current layer's are compared. */
	announce(layer: BatchNormLayer | undefined): void {
		this.#next = layer && this.pairBefore(layer);
	}

	/** Reads the constants of both operators. The failure's reason is a sentence. */
	async read(pair: OperatorPair): Promise<Result<ReadPair>> {
		const original = await this.#originals.read(pair.original);
		const deployed = await this.#deployeds.read(pair.deployed);
		if (this.#next) {
			this.#originals.readAhead(this.#next.original);
			this.#deployeds.readAhead(this.#next.deployed);
		}
		if (!original.ok) {
			return original;
		}
		if (!deployed.ok) {
			return deployed;
		}
		return success({ pair, originalWeights: original.value, deployedWeights: deployed.value });
	}
}
