import type { Comparison, ComparisonStatus, LayerComparison } from '../../core/report/comparison.js';
import type { IconName, Tone } from '../ui/icons.js';

/** How each status looks: a shape of its own, which color only supports. */
export const STATUS_ICONS: Readonly<Record<ComparisonStatus, readonly [IconName, Tone]>> = {
	match: ['check', 'good'],
	mismatch: ['cross', 'error'],
	kept: ['info', 'info'],
	unmatched: ['warning', 'warning'],
	'not-identifiable': ['skipped', 'muted'],
};

/** Values in the per-channel arrays; 0 where nothing could be compared. */
export function channelCount({ perChannel }: LayerComparison): number {
	return Math.max(perChannel.weightRatio.length, perChannel.biasError.length);
}

/** Whether a channel's weights or bias are off by more than rounding; NaN counts. */
export function isWrong(
	{ perChannel: { boundRatio, biasError, biasBound } }: LayerComparison,
	channel: number,
): boolean {
	const ratio = boundRatio?.[channel];
	if (ratio !== undefined) {
		return !(ratio <= 1);
	}
	const error = biasError[channel];
	const bound = biasBound?.[channel];
	return error !== undefined && bound !== undefined && !(Math.abs(error) <= bound);
}

export function wrongChannels(layer: LayerComparison): number[] {
	return Array.from({ length: channelCount(layer) }, (_, channel) => channel).filter((c) => isWrong(layer, c));
}

/** Found over expected factor on the weights of each channel; empty where either is unknown. */
export function relativeRatios({ perChannel: { weightRatio, expectedRatio } }: LayerComparison): Float64Array {
	return expectedRatio
		? weightRatio.map((found, channel) => found / (expectedRatio[channel] ?? Number.NaN))
		: new Float64Array(0);
}

/** Whether a cause was found, of which one can be more or less sure. */
export function isExplained({ cause }: LayerComparison): boolean {
	return cause !== null && cause !== 'unknown' && cause !== 'not-identifiable';
}

/** How much of its bound a layer's largest error uses; above 1 is a mismatch. null where nothing was compared. */
export function boundRatio({ perChannel: { boundRatio }, maxAbs, bound }: LayerComparison): number | null {
	if (boundRatio && boundRatio.length > 0) {
		return boundRatio.reduce((most, value) => (value > most || Number.isNaN(value) ? value : most), 0);
	}
	return maxAbs === null || bound === null ? null : maxAbs === 0 ? 0 : maxAbs / bound;
}

/** How serious a comparison is as a whole. */
export function comparisonTone({ layers, summary, outputs }: Comparison): Tone {
	if (summary.mismatch > 0 || outputs?.status === 'mismatch') {
		return 'error';
	}
	if (layers.length === 0) {
		return 'info';
	}
	if (summary.unmatched > 0) {
		return 'warning';
	}
	return summary.match + summary.kept > 0 ? 'good' : 'muted';
}

/** The layer to show first: the first wrong one, if any. */
export function firstWrong({ layers }: Comparison): LayerComparison | undefined {
	return layers.find(({ status }) => status === 'mismatch');
}
