import { type Result, success } from '../../result.js';
import type { LinearOperator } from '../operators/linear.js';
import type { OperatorWeights } from '../operators/weights.js';
import type { Network } from '../targets/network.js';
import { WeightCache } from '../targets/weight-cache.js';
import type { OperatorPair, Pairing } from './pairing.js';

/** Two models with their pairs of operators and layers. */
export interface MatchedNetworks {
	readonly own: Network;
	readonly other: Network;
	readonly operators: Pairing;
	/** Layers that are still layers: original index -> deployed index. */
	readonly kept: ReadonlyMap<number, number>;
}

/** An operator of the original and its partner. */
export interface Partners {
	readonly own: LinearOperator;
	readonly into: LinearOperator;
	readonly pair: OperatorPair;
}

/** Both operators' constants, read. */
export interface ReadPartners extends Partners {
	readonly original: OperatorWeights;
	readonly found: OperatorWeights;
}

/** Finds the partners of operators and reads their constants. */
export class PartnerReader {
	readonly #models: MatchedNetworks;
	readonly #original: WeightCache;
	readonly #deployed: WeightCache;
	#next: Partners | undefined;

	constructor(models: MatchedNetworks) {
		this.#models = models;
		this.#original = new WeightCache(models.own);
		this.#deployed = new WeightCache(models.other);
	}

	/** @param operator index in the original. */
	of(operator: number): Partners | undefined {
		const { own, other, operators } = this.#models;
		const pair = operators.byOriginal.get(operator);
		return pair && { own: own.operators[operator], into: other.operators[pair.deployed], pair };
	}

	/** The operator in front of a layer of the original, and its partner. */
	inFront(layer: number): Partners | undefined {
		const operator = this.#models.own.targets[layer]?.operator;
		return operator && this.of(operator.index);
	}

	/** Announces the next layer, so that its weights are read while the current ones are compared. */
	expect(layer: number): void {
		this.#next = this.inFront(layer);
	}

	/** Reads the constants of both operators, or returns a sentence as the reason why they are unknown. */
	async read(partners: Partners): Promise<Result<ReadPartners>> {
		const original = await this.#original.read(partners.own);
		const found = await this.#deployed.read(partners.into);
		if (this.#next) {
			this.#original.readAhead(this.#next.own);
			this.#deployed.readAhead(this.#next.into);
		}
		if (!original.ok) {
			return original;
		}
		return found.ok ? success({ ...partners, original: original.value, found: found.value }) : found;
	}
}
