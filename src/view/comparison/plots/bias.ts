import { rangeOf } from '../../../core/numbers/arrays.js';
import type { LayerComparison } from '../../../core/report/comparison.js';
import { formatNumber } from '../../../core/text/numbers.js';
import type { Figure } from '../../plots/plotly.js';
import type { Theme } from '../../plots/theme.js';
import { channelsWhere } from '../../plots/traces.js';
import { strings as shared } from '../../text/strings.js';
import { strings } from '../strings.js';
import { comparedHover } from './hover.js';
import { residualFigure } from './residuals.js';

/** Draws found minus expected bias of each channel in the band that rounding allows. */
export function biasFigure(layer: LayerComparison, theme: Theme): Figure | null {
	const { biasError, biasBound, expectedBias, foundBias, explainedBias } = layer.perChannel;
	if (biasError.length === 0) {
		return null;
	}
	const words = strings.plots;
	const bounds = biasBound ?? new Float64Array(biasError.length).fill(layer.bound ?? Number.NaN);
	const over = channelsWhere(biasError, (error, channel) => Math.abs(error) > (bounds[channel] ?? Number.NaN));
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
		layer,
		{
			found: biasError,
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
