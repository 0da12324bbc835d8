import { rangeOf } from '../../../core/numbers/arrays.js';
import type { LayerComparison } from '../../../core/report/comparison.js';
import { formatNumber } from '../../../core/text/numbers.js';
import { errorPlot } from '../../plots/error-plot.js';
import type { Figure } from '../../plots/plotly.js';
import type { Theme } from '../../plots/theme.js';
import { channelsWhere } from '../../plots/traces.js';
import { strings as shared } from '../../text/strings.js';
import { strings } from '../strings.js';
import { comparedHover } from './hover.js';

/** Draws |found - expected| bias of each channel under the bound that rounding allows. */
export function biasFigure(layer: LayerComparison, theme: Theme): Figure | null {
	const { biasError, biasBound, expectedBias, foundBias } = layer.perChannel;
	if (biasError.length === 0) {
		return null;
	}
	const words = strings.plots;
	const errors = biasError.map(Math.abs);
	const bounds = biasBound ?? new Float64Array(errors.length).fill(layer.bound ?? Number.NaN);
	const over = channelsWhere(errors, (error, channel) => error > (bounds[channel] ?? Number.POSITIVE_INFINITY));
	const hover = comparedHover(layer, [
		{ name: words.biasError, values: errors },
		{ name: shared.plots.bound, values: bounds },
		...(expectedBias ? [{ name: words.biasExpected, values: expectedBias }] : []),
		...(foundBias ? [{ name: words.biasFound, values: foundBias }] : []),
	]);
	const plot = errorPlot(
		{
			errors,
			bounds,
			over,
			overName: words.wrong,
			name: words.biasError,
			title: words.biasError,
			channelTitle: shared.plots.axisOf.channel,
			hover,
		},
		theme,
	);
	const [largest, bound] = [errors, bounds].map((values) => formatNumber(rangeOf(values).max, 3));
	return { ...plot, summary: words.biasSummary(largest ?? '', bound ?? '', over.length) };
}
