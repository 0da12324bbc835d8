import type { ChannelComparison } from '../../report/comparison/comparison.js';
import type { ChannelValues } from '../../report/types.js';

/**
 * Converts rows to the layer's channels. If a Reshape splits a channel over several rows, the channel shows the ratio
 * of its worst row and the largest errors.
 */
export function toChannels(rowwise: ChannelComparison, rows: Int32Array, channels: number): ChannelComparison {
	const isIdentity = rows.length === channels && rows.every((channel, row) => channel === row);
	if (isIdentity || rowwise.weightRatio.length !== rows.length) {
		return rowwise;
	}
	const worst = worstRows(rowwise, rows, channels);
	const pick = (values: ChannelValues) => Float64Array.from(worst, (row) => values[row] ?? Number.NaN);
	const { expectedRatio, biasBound, foundBias, expectedBias, boundRatio, weightBoundRatio } = rowwise;
	const { levels, relativeStep, quantizationSnrDb } = rowwise;
	return {
		weightRatio: pick(rowwise.weightRatio),
		weightResidual: pick(rowwise.weightResidual),
		biasError: pick(rowwise.biasError),
		...(expectedRatio && { expectedRatio: pick(expectedRatio) }),
		...(biasBound && { biasBound: pick(biasBound) }),
		...(foundBias && { foundBias: pick(foundBias) }),
		...(expectedBias && { expectedBias: pick(expectedBias) }),
		...(boundRatio && { boundRatio: pick(boundRatio) }),
		...(weightBoundRatio && { weightBoundRatio: pick(weightBoundRatio) }),
		...(levels && { levels: pick(levels) }),
		...(relativeStep && { relativeStep: pick(relativeStep) }),
		...(quantizationSnrDb && { quantizationSnrDb: pick(quantizationSnrDb) }),
	};
}

/** Returns each channel's row with the largest error / bound; -1 without rows. */
function worstRows({ boundRatio }: ChannelComparison, rows: Int32Array, channels: number): Int32Array {
	const worst = new Int32Array(channels).fill(-1);
	rows.forEach((channel, row) => {
		const current = worst[channel];
		if (current < 0 || (boundRatio?.[row] ?? 0) > (boundRatio?.[current] ?? 0)) {
			worst[channel] = row;
		}
	});
	return worst;
}
