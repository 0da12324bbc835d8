import type { Comparison, ComparisonStatus, LayerComparison } from '../../core/report/comparison/comparison.js';
import { outputNoise } from '../../core/report/comparison/signal.js';
import type { IconName, Tone } from '../ui/icons.js';

/** Icon and color of each status. Icons differ in shape, so that color alone carries no meaning. */
export const STATUS_ICONS: Readonly<Record<ComparisonStatus, readonly [IconName, Tone]>> = {
	match: ['check', 'good'],
	mismatch: ['cross', 'error'],
	kept: ['info', 'info'],
	unmatched: ['warning', 'warning'],
	'not-identifiable': ['skipped', 'muted'],
};

/** Returns the length of the arrays per channel; 0 if the layer was not compared. */
export function channelCount({ perChannel }: LayerComparison): number {
	return Math.max(perChannel.weightRatio.length, perChannel.biasError.length);
}

/** Returns true if the error of a channel's weights or bias exceeds rounding, or is NaN. */
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

/** Returns found over expected factor on the weights, indexed by channel; empty if either is unknown. */
export function relativeRatios({ perChannel: { weightRatio, expectedRatio } }: LayerComparison): Float64Array {
	return expectedRatio
		? weightRatio.map((found, channel) => found / (expectedRatio[channel] ?? Number.NaN))
		: new Float64Array(0);
}

/** Returns a layer's largest error / bound; above 1 is a mismatch. null if not compared. */
export function boundRatio({ perChannel: { boundRatio }, maxAbs, bound }: LayerComparison): number | null {
	if (boundRatio && boundRatio.length > 0) {
		return boundRatio.reduce((most, value) => (value > most || Number.isNaN(value) ? value : most), 0);
	}
	return maxAbs === null || bound === null ? null : maxAbs === 0 ? 0 : maxAbs / bound;
}

/** Returns the severity of a comparison as a whole. */
export function comparisonTone(comparison: Comparison): Tone {
	const { layers, summary, operators = [], outputs } = comparison;
	if (summary.mismatch + operators.length > 0 || outputs?.status === 'mismatch') {
		return 'error';
	}
	if (layers.length === 0) {
		return 'info';
	}
	const isDistorted = outputNoise(comparison)?.isLoud ?? false;
	if (isDistorted || summary.unmatched > 0 || layers.some(({ findings = [] }) => findings.length > 0)) {
		return 'warning';
	}
	return summary.match + summary.kept > 0 ? 'good' : 'muted';
}

/** Returns the first wrong layer, which the page opens. */
export function firstWrong({ layers }: Comparison): LayerComparison | undefined {
	return layers.find(({ status }) => status === 'mismatch');
}
