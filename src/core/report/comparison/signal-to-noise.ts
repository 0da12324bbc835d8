import { formatNumber } from '../../text/numbers.js';
import type { Comparison, LayerComparison } from './comparison.js';

/** Ratio at which equal values, and all higher ratios, are drawn, in dB. float32 rounding alone gives about 144 dB. */
export const MAX_DECIBELS = 200;
/** Ratio below which no tensor counts as similar, in dB: a difference half as large as the values. */
export const MIN_DECIBELS = 6;

/** True if values behind a layer were looked for and nothing similar was found. */
export function isLost({ behavior }: LayerComparison): boolean {
	return behavior !== undefined && behavior.snrDb === null && behavior.status !== 'skipped';
}

/** Formats the ratio for tables: "131", "equal", "< 6"; "" without one. */
export function formatDecibels(layer: LayerComparison): string {
	const ratio = layer.behavior?.snrDb ?? null;
	if (ratio === null) {
		return isLost(layer) ? `< ${MIN_DECIBELS}` : '';
	}
	return ratio === Number.POSITIVE_INFINITY ? 'equal' : formatNumber(ratio, 3);
}

/**
 * Returns the place of the first difference along the layers, in their index: a layer, or half an index in front of the
 * first layer behind the difference, or half an index behind the last layer. Returns null if the models do not part, or if
 * that is not known.
 */
export function partingPlace({ layers, firstDifference }: Comparison): number | null {
	const index = layers.findIndex(({ behavior }) => behavior?.status === 'mismatch' || behavior?.status === 'behind');
	if (index >= 0) {
		return layers[index]?.behavior?.status === 'mismatch' ? index : index - 0.5;
	}
	return firstDifference === undefined || firstDifference === null || layers.length === 0 ? null : layers.length - 0.5;
}
