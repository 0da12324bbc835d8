import type { LayerBehavior } from '../../report/comparison/behavior.js';
import type { ValueMatch } from './arrival.js';

/** Values behind a layer. */
export interface LayerValues {
	readonly behavior: LayerBehavior;
	/** The pair of tensors that shows that the layer arrived. */
	readonly match?: ValueMatch;
	/** Channels of the matched tensor that are constant here and may hide an error. */
	readonly silent?: readonly number[];
	/**
	 * The layer's own values, or those in front of it, arrived in an order that no operator behind them expects. `unseen`:
	 * its own arrived in another order, and no tensor behind shows which order is expected.
	 */
	readonly misplaced?: 'values' | 'input' | 'unseen';
}

/** Results of comparing the values inside two models. */
export interface ValueComparison {
	/** Results by layer index of the original. */
	readonly layers: readonly LayerValues[];
	/**
	 * Name of the first original tensor that the deployed model does not compute; null if there is none, undefined if
	 * values cannot decide.
	 */
	readonly firstDifference?: string | null;
	/** Deployed tensors with the values of original tensors, by name of the original tensor. */
	readonly tensors?: ReadonlyMap<string, ValueMatch>;
}
