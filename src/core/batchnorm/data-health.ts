import type { Finding } from '../report/types.js';
import { countChannels } from '../text/sentences.js';

/**
 * NaN and infinite values among a layer's input.
 * @param count values per channel
 * @param nonFinite how many of them are not finite, per channel; undefined: none
 */
export function dataHealth(count: number, nonFinite: Float64Array | undefined): Finding[] {
	const channels = [...(nonFinite ?? []).keys()].filter((c) => (nonFinite?.[c] ?? 0) > 0);
	if (!nonFinite || channels.length === 0) {
		return [];
	}
	const bad = nonFinite.reduce((sum, value) => sum + value, 0);
	const message = `${bad} of ${count * nonFinite.length} values of the layer's input are NaN or infinite, in ${countChannels(channels, nonFinite.length)}: mean and variance of the batch leave them out. Layers behind this one get them, too; they do not report them again.`;
	// Only parameters are an error of the layer itself.
	return [{ code: 'non-finite', severity: 'warning', channels, message }];
}

/** Mean of the finite values: NaN where there are none. @param count of the finite values */
export function batchMean({
	count,
	mean,
}: {
	readonly count: Float64Array;
	readonly mean: Float64Array;
}): Float64Array {
	return mean.map((value, c) => (count[c] > 0 ? value : Number.NaN));
}
