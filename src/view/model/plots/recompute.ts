import { rangeOf } from '../../../core/numbers/arrays.js';
import type { LayerReport } from '../../../core/report/types.js';
import { formatNumber } from '../../../core/text/numbers.js';
import { errorPlot } from '../../plots/error-plot.js';
import type { Figure } from '../../plots/plotly.js';
import type { Theme } from '../../plots/theme.js';
import { channelsWhere } from '../../plots/traces.js';
import { strings as shared } from '../../text/strings.js';
import { strings } from '../strings.js';
import { channelHover } from './hover.js';

/** Draws the largest absolute error of each channel under the bound that rounding allows. */
export function recomputeFigure(layer: LayerReport, theme: Theme): Figure | null {
	const values = errorsOf(layer);
	if (!values) {
		return null;
	}
	const { errors, bounds } = values;
	const over = channelsWhere(errors, (error, channel) => Number.isFinite(error) && exceeds(layer, channel, values));
	const hover = channelHover(layer, [
		{ name: strings.plots.error, values: errors },
		{ name: shared.plots.bound, values: bounds },
	]);
	const plot = errorPlot(
		{
			errors,
			bounds,
			over,
			overName: strings.plots.flagged,
			name: strings.plots.error,
			title: strings.plots.errorAxis,
			channelTitle: shared.plots.axisOf[layer.axes],
			hover,
		},
		theme,
	);
	const summary = strings.plots.recomputeSummary({
		largest: formatNumber(rangeOf(errors).max, 3),
		bound: formatNumber(rangeOf(bounds).max, 3),
		channels: errors.length,
		over: over.length,
	});
	return { ...plot, summary };
}

/** Errors and their bounds, indexed by channel. */
interface Errors {
	readonly errors: Float64Array;
	readonly bounds: Float64Array;
}

function errorsOf({ recompute: { perChannel, bound } }: LayerReport): Errors | null {
	if (!perChannel) {
		return null;
	}
	const { maxAbs } = perChannel;
	return { errors: maxAbs, bounds: perChannel.bound ?? new Float64Array(maxAbs.length).fill(bound ?? Number.NaN) };
}

/** Uses the report's judgment of each element where it exists, else compares the channel's error with its bound. */
function exceeds(layer: LayerReport, channel: number, { errors, bounds }: Errors): boolean {
	const ratio = layer.recompute.perChannel?.boundRatio?.[channel];
	return ratio === undefined ? (errors[channel] ?? 0) > (bounds[channel] ?? Number.POSITIVE_INFINITY) : ratio > 1;
}
