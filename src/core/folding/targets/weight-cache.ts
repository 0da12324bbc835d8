import type { LinearOperator } from '../operators/linear.js';
import type { OperatorWeights } from '../operators/weights.js';
import type { Network } from './network.js';

/** The operator at work and the one that is read ahead. */
const KEPT = 2;

/**
 * Reads a model's weights operator by operator and keeps two: neighbouring layers share one, distant ones hardly do, and
 * a whole model need not fit into memory. Asking for an operator before it is needed reads it meanwhile.
 */
export class WeightCache {
	readonly #network: Network;
	readonly #known = new Map<LinearOperator, Promise<OperatorWeights | string>>();

	constructor(network: Network) {
		this.#network = network;
	}

	/** The constants, or in one sentence why there are none. */
	read(operator: LinearOperator): Promise<OperatorWeights | string> {
		const weights = this.#known.get(operator) ?? this.#network.weights.read(operator);
		this.#known.delete(operator);
		this.#known.set(operator, weights);
		for (const other of this.#known.keys()) {
			if (this.#known.size > KEPT) {
				this.#known.delete(other);
			}
		}
		return weights;
	}

	/** Begins to read; whether that fails matters when it is asked for again. */
	readAhead(operator: LinearOperator): void {
		this.read(operator).catch(() => undefined);
	}
}
