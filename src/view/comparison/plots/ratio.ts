import { rangeOf } from '../../../core/numbers/arrays.js';
import type { LayerComparison } from '../../../core/report/comparison.js';
import { formatNumber } from '../../../core/text/numbers.js';
import { axis, baseLayout, channelAxis } from '../../plots/base.js';
import type { Figure } from '../../plots/plotly.js';
import type { Theme } from '../../plots/theme.js';
import { channelLine, channelsWhere, channelTrace, horizontalLine, marks } from '../../plots/traces.js';
import { strings as shared } from '../../text/strings.js';
import { channelCount, relativeRatios, wrongChannels } from '../facts.js';
import { strings } from '../strings.js';
import { comparedHover } from './hover.js';

/** Smallest half height of the axis, so that rounding at 1e-7 does not fill the plot. */
const MIN_DEVIATION = 1e-5;
/** Limits of the axis. A longer axis would hide all other channels; channels beyond are marked at its end. */
const FARTHEST = [-10, 10] as const;

/** Draws each channel's found over expected factor, and 1. */
export function ratioFigure(layer: LayerComparison, theme: Theme): Figure | null {
	const ratios = relativeRatios(layer);
	if (ratios.length === 0) {
		return null;
	}
	const range = ratioRange(ratios);
	const hover = comparedHover(layer, [
		{ name: strings.plots.rho, values: ratios },
		{ name: strings.plots.weightsExpected, values: layer.perChannel.expectedRatio ?? ratios },
		{ name: strings.plots.weightsFound, values: layer.perChannel.weightRatio },
		{ name: strings.plots.residual, values: layer.perChannel.weightResidual },
	]);
	const place = (channel: number) => {
		const value = ratios[channel] ?? Number.NaN;
		const y = Number.isNaN(value) ? 1 : Math.max(range[0], Math.min(value, range[1]));
		return { channel, x: channel, y };
	};
	const bad = channelsWhere(ratios, (value) => !Number.isFinite(value));
	const wrong = wrongChannels(layer).filter((channel) => Number.isFinite(ratios[channel]));
	const series = { name: strings.plots.rho, values: ratios, color: theme.first, as: 'dots', hover } as const;
	const { min, max } = rangeOf(ratios);
	return {
		data: [
			channelTrace(series, theme, (value) => value >= range[0] && value <= range[1]),
			...marks(wrong.map(place), { name: strings.plots.wrong, color: theme.error, symbol: 'diamond-open', hover }),
			...marks(bad.map(place), { name: shared.plots.notFinite, color: theme.error, symbol: 'x-thin', hover }),
		],
		layout: baseLayout(theme, {
			xaxis: channelAxis(theme, channelCount(layer), shared.plots.axisOf.channel),
			yaxis: axis(theme, {
				title: { text: strings.plots.rho, standoff: 4 },
				range,
				nticks: 5,
				fixedrange: true,
				zeroline: false,
				...(range[1] - range[0] < 0.01 ? { tickformat: '.8~g' } : {}),
			}),
			shapes: [horizontalLine(1, 'y', theme)],
		}),
		summary: strings.plots.ratioSummary(shared.range(formatNumber(min, 6), formatNumber(max, 6)), wrong.length),
		notes: bad.length > 0 ? [shared.plots.hidden(bad.length)] : [],
		mark: (channel) => [channelLine(channel, theme)],
	};
}

/** Returns the axis range, which contains 1 and a minimum height. */
function ratioRange(ratios: Float64Array): readonly [number, number] {
	const { min, max } = rangeOf(ratios);
	const low = Math.max(FARTHEST[0], Math.min(Number.isNaN(min) ? 1 : min, 1 - MIN_DEVIATION));
	const high = Math.min(FARTHEST[1], Math.max(Number.isNaN(max) ? 1 : max, 1 + MIN_DEVIATION));
	const margin = (high - low) * 0.08;
	return [low - margin, high + margin];
}
