import { rangeOf } from '../../../core/numbers/arrays.js';
import type { LayerComparison } from '../../../core/report/comparison/comparison.js';
import { formatNumber } from '../../../core/text/numbers.js';
import type { Figure } from '../../plots/plotly.js';
import type { Theme } from '../../plots/theme.js';
import { channelsWhere } from '../../plots/traces.js';
import { strings as shared } from '../../text/strings.js';
import { strings } from '../strings.js';
import { comparedHover } from './hover.js';
import { residualFigure } from './residuals.js';

/** Returns the largest error of each channel's bias that rounding allows. */
export function biasBounds({ perChannel: { biasError, biasBound }, bound }: LayerComparison): Float64Array {
	return biasBound ?? new Float64Array(biasError.length).fill(bound ?? Number.NaN);
}

/** Returns the channels of a wrong layer with a bias error above rounding, ascending. */
export function wrongBiases(layer: LayerComparison): number[] {
	if (layer.status !== 'mismatch') {
		return [];
	}
	const bounds = biasBounds(layer);
	return channelsWhere(layer.perChannel.biasError, (error, channel) => !(Math.abs(error) <= (bounds[channel] ?? 0)));
}

/** Draws found minus expected bias of each channel in the band that rounding allows. */
export function biasFigure(layer: LayerComparison, theme: Theme): Figure | null {
	const { biasError, expectedBias, foundBias, explainedBias } = layer.perChannel;
	if (biasError.length === 0) {
		return null;
	}
	const words = strings.plots;
	const bounds = biasBounds(layer);
	const over = wrongBiases(layer);
	const explained =
		expectedBias && explainedBias?.map((value, channel) => value - (expectedBias[channel] ?? Number.NaN));
	const hover = comparedHover(layer, [
		{ name: words.biasDifference, values: biasError },
		{ name: shared.plots.bound, values: bounds },
		...(expectedBias ? [{ name: words.biasExpected, values: expectedBias }] : []),
		...(foundBias ? [{ name: words.biasFound, values: foundBias }] : []),
		...(explainedBias ? [{ name: words.biasExplained, values: explainedBias }] : []),
	]);
	const largestBound = rangeOf(bounds).max;
	const figure = residualFigure(
		{
			found: biasError,
			wrong: over,
			...(explained && { explained }),
			bounds,
			title: words.biasDifference,
			least: Number.isNaN(largestBound) ? Number.MIN_VALUE : largestBound,
			most: Number.POSITIVE_INFINITY,
			hover,
		},
		theme,
	);
	const largest = rangeOf(biasError.map(Math.abs)).max;
	return {
		...figure,
		summary: words.biasSummary(formatNumber(largest, 3), formatNumber(largestBound, 3), over.length),
	};
}
