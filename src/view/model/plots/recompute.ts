import { rangeOf } from '../../../core/numbers/arrays.js';
import type { LayerReport } from '../../../core/report/types.js';
import { formatNumber } from '../../../core/text/numbers.js';
import { axis, baseLayout, channelAxis, errorDecades, logAxis } from '../../plots/base.js';
import type { Figure, Trace } from '../../plots/plotly.js';
import type { Theme } from '../../plots/theme.js';
import { channelLine, channelsWhere, channelTrace, horizontalLine, marks, type Point } from '../../plots/traces.js';
import { layerFacts } from '../../shared/layer-facts.js';
import { strings } from '../../text/strings.js';
import { channelHover } from './hover.js';

/** Largest absolute error a channel, logarithmic, under the bound that rounding allows. No dot: the channel is exact. */
export function recomputeFigure(layer: LayerReport, theme: Theme): Figure | null {
	const values = errorsOf(layer);
	if (!values) {
		return null;
	}
	const { errors, bounds } = values;
	const range = errorDecades(values.errors, values.bounds);
	const bad = channelsWhere(errors, (error) => !Number.isFinite(error));
	const over = channelsWhere(errors, (error, channel) => Number.isFinite(error) && exceeds(layer, channel, values));
	return {
		data: traces(layer, values, { over, bad, floor: 10 ** range[0], theme }),
		layout: baseLayout(theme, {
			xaxis: channelAxis(theme, layerFacts(layer).size, strings.plots.axisOf[layer.axes]),
			yaxis: axis(theme, {
				title: { text: strings.plots.errorAxis, standoff: 4 },
				fixedrange: true,
				...logAxis(range),
			}),
			// A stepped line of one point has no length.
			shapes: bounds.length === 1 ? [horizontalLine(bounds[0] ?? 0, 'y', theme)] : [],
		}),
		summary: strings.plots.recomputeSummary({
			largest: formatNumber(rangeOf(errors).max, 3),
			bound: formatNumber(rangeOf(bounds).max, 3),
			channels: errors.length,
			over: over.length,
		}),
		notes: bad.length > 0 ? [strings.plots.hidden(bad.length)] : [],
		mark: (channel) => [channelLine(channel, theme)],
	};
}

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

interface Marks {
	readonly over: readonly number[];
	readonly bad: readonly number[];
	/** Where to mark what has no place on the axis. */
	readonly floor: number;
	readonly theme: Theme;
}

function traces(layer: LayerReport, { errors, bounds }: Errors, { over, bad, floor, theme }: Marks): Trace[] {
	const drawable = (value: number): boolean => value > 0 && Number.isFinite(value);
	const hover = channelHover(layer, [
		{ name: strings.plots.error, values: errors },
		{ name: strings.plots.bound, values: bounds },
	]);
	const series = (name: string, values: Float64Array, colour: string): Trace =>
		channelTrace({ name, values, colour, as: 'dots', hover }, theme, drawable);
	const point = (channel: number): Point => {
		const error = errors[channel] ?? Number.NaN;
		return { channel, x: channel, y: drawable(error) ? Math.max(error, floor) : floor };
	};
	const mark = { colour: theme.error, hover };
	const { hovertemplate: _, ...dots } = series(strings.plots.error, errors, theme.first);
	const { marker: __, ...line } = series(strings.plots.bound, bounds, theme.flag);
	return [
		// The bound is there for every channel, so it alone answers the pointer: an exact channel has no dot to hover.
		{ ...dots, hoverinfo: 'skip' },
		{ ...line, mode: 'lines', line: { shape: 'hvh', width: 1.5, color: theme.flag } },
		...marks(over.map(point), { ...mark, name: strings.plots.flagged, symbol: 'diamond-open' }),
		...marks(bad.map(point), { ...mark, name: strings.plots.notFinite, symbol: 'x-thin' }),
	];
}

/** The report's own judgement per element where it is there, else the channel's error against the channel's bound. */
function exceeds(layer: LayerReport, channel: number, { errors, bounds }: Errors): boolean {
	const ratio = layer.recompute.perChannel?.boundRatio?.[channel];
	return ratio === undefined ? (errors[channel] ?? 0) > (bounds[channel] ?? Number.POSITIVE_INFINITY) : ratio > 1;
}
