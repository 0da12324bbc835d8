import type { Constant } from '../../onnx/graph/constants.js';

/** Maximum size of the values kept, in bytes: the weights of two large layers, and the biases of a whole model. */
const MAX_BYTES = 1 << 24;

/** Keeps the results of constant expressions that were used last. */
export class ExpressionCache {
	/** By key, the result used last at the end. */
	readonly #entries = new Map<string, { readonly constant: Promise<Constant>; bytes: number }>();
	#bytes = 0;

	/** Returns the result with this key; evaluates it if it is not kept. */
	get(key: string, evaluate: () => Promise<Constant>): Promise<Constant> {
		const entry = this.#entries.get(key) ?? this.#evaluated(evaluate);
		this.#entries.delete(key);
		this.#entries.set(key, entry);
		return entry.constant;
	}

	#evaluated(evaluate: () => Promise<Constant>) {
		const constant = evaluate();
		const entry = { constant, bytes: 0 };
		constant.then(
			({ tensor }) => {
				entry.bytes = (tensor?.data.byteLength ?? 0) + (tensor?.error?.byteLength ?? 0);
				this.#bytes += entry.bytes;
				this.#dropOldest();
			},
			// The caller gets the error.
			() => undefined,
		);
		return entry;
	}

	#dropOldest(): void {
		for (const [key, { bytes }] of this.#entries) {
			if (this.#bytes <= MAX_BYTES) {
				return;
			}
			if (bytes > 0) {
				this.#entries.delete(key);
				this.#bytes -= bytes;
			}
		}
	}
}
