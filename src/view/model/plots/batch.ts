import { layerDrift } from '../../../core/inspection/layer-drift.js';
import type { LayerReport } from '../../../core/report/types.js';
import { formatInteger, formatNumber } from '../../../core/text/numbers.js';
import type { Figure } from '../../plots/plotly.js';
import { type ScatterPlot, scatterPair } from '../../plots/scatter-pair.js';
import type { Theme } from '../../plots/theme.js';
import { flaggedChannels } from '../../shared/layer-facts.js';
import { strings as shared } from '../../text/strings.js';
import { strings } from '../strings.js';
import { channelHover } from './hover.js';

/** Draws running (x) against batch (y) statistics: the mean on the left, the variance, logarithmic, on the right. */
export function batchFigure(layer: LayerReport, theme: Theme): Figure | null {
	const { parameters, batch } = layer;
	if (!parameters || !batch || batch.isRandom) {
		return null;
	}
	const words = strings.plots.batch;
	const size = parameters.mean.length;
	const hover = channelHover(layer, [
		{ name: words.runningMean, values: parameters.mean },
		{ name: words.batchMean, values: batch.mean },
		{ name: words.runningVariance, values: parameters.variance },
		{ name: words.batchVariance, values: batch.variance },
	]);
	const titles = (symbol: string) => [words.runningAxis(symbol), words.batchAxis(symbol)] as const;
	const mean: ScatterPlot = { x: parameters.mean, y: batch.mean, titles: titles('μ'), log: false };
	const variance: ScatterPlot = { x: parameters.variance, y: batch.variance, titles: titles('σ²'), log: true };
	const { data, layout, mark, shown, unplaced } = scatterPair([mean, variance], {
		theme,
		size,
		hover,
		marked: new Set(flaggedChannels(layer)),
		mark: { name: strings.plots.flagged, color: theme.flag },
	});
	return {
		data,
		layout,
		summary: words.summary(formatInteger(size), formatInteger(batch.count), largestDrift(layer)),
		notes: [
			...(shown < size ? [shared.plots.sampled(shown, size)] : []),
			...(unplaced > 0 ? [strings.plots.unplaced(unplaced)] : []),
		],
		mark,
	};
}

/** Finds the channel with the largest distance between batch mean and running mean, in running standard deviations. */
function largestDrift(layer: LayerReport): { drift: string; channel: number } {
	const shift = layerDrift(layer)?.shift.map(Math.abs) ?? Float64Array.of();
	const channel = shift.reduce((worst, value, c) => (value > (shift[worst] ?? 0) ? c : worst), 0);
	return { drift: formatNumber(shift[channel] ?? 0, 3), channel };
}
