import { formatNumber } from '../../text/numbers.js';
import type { Comparison, LayerComparison } from './comparison.js';

/** Maximum drawn ratio, in dB, also for equal values. float32 rounding alone gives about 144 dB. */
export const MAX_DECIBELS = 200;
/** Minimum ratio of similar tensors, in dB: a difference half as large as the values. */
export const MIN_DECIBELS = 6;

/** True if a search for the values behind a layer found no similar values. */
export function isLost({ behavior }: LayerComparison): boolean {
	return behavior !== undefined && behavior.snrDb === null && behavior.status !== 'skipped';
}

/** Formats the ratio for tables: "131", "equal", "< 6"; "" if unknown. */
export function formatDecibels(layer: LayerComparison): string {
	const ratio = layer.behavior?.snrDb ?? null;
	if (ratio === null) {
		return isLost(layer) ? `< ${MIN_DECIBELS}` : '';
	}
	return ratio === Number.POSITIVE_INFINITY ? 'equal' : formatNumber(ratio, 3);
}

/**
 * Returns the place of the first difference as a layer index. Between two layers it is half an index in front of the
 * first layer behind the difference; behind the last layer, half an index more than its index. Null if the models do
 * not part, or if the place is not known.
 */
export function partingPlace({ layers, firstDifference }: Comparison): number | null {
	const index = layers.findIndex(({ behavior }) => behavior?.status === 'mismatch' || behavior?.status === 'behind');
	if (index >= 0) {
		return layers[index]?.behavior?.status === 'mismatch' ? index : index - 0.5;
	}
	return firstDifference === undefined || firstDifference === null || layers.length === 0 ? null : layers.length - 0.5;
}
