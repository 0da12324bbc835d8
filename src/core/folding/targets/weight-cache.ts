import type { Result } from '../../result.js';
import type { LinearOperator } from '../operators/linear.js';
import type { OperatorWeights } from '../operators/weights.js';
import type { Network } from './network.js';

/** Maximum number of operators kept: the current and the next. */
const MAX_CACHED = 2;

/**
 * Reads a model's weights operator by operator, and keeps the weights of two operators. Neighboring layers often share
 * an operator, distant layers hardly ever, and a whole model may exceed the memory. A request ahead of time starts the
 * reading.
 */
export class WeightCache {
	readonly #network: Network;
	readonly #known = new Map<LinearOperator, Promise<Result<OperatorWeights>>>();

	constructor(network: Network) {
		this.#network = network;
	}

	/** Returns the constants. The failure's reason is a sentence. */
	read(operator: LinearOperator): Promise<Result<OperatorWeights>> {
		const weights = this.#known.get(operator) ?? this.#network.weights.read(operator);
		this.#known.delete(operator);
		this.#known.set(operator, weights);
		for (const other of this.#known.keys()) {
			if (this.#known.size > MAX_CACHED) {
				this.#known.delete(other);
			}
		}
		return weights;
	}

	/** Begins to read. A failure is reported by the next request. */
	readAhead(operator: LinearOperator): void {
		this.read(operator).catch(() => undefined);
	}
}
