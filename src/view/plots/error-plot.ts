import { strings } from '../text/strings.js';
import { axis, baseLayout, channelAxis, errorDecades, logAxis } from './base.js';
import type { Hover } from './hover.js';
import type { Figure, Trace } from './plotly.js';
import type { Theme } from './theme.js';
import { channelLine, channelsWhere, channelTrace, horizontalLine, marks, notAllDrawn, type Point } from './traces.js';

/** Errors of a layer's channels and their bounds. */
export interface ErrorPlot {
	/** Absolute errors, indexed by channel. */
	readonly errors: Float64Array;
	/** Largest errors that rounding allows, indexed by channel. */
	readonly bounds: Float64Array;
	/** Channels with an error above its bound, ascending. */
	readonly over: readonly number[];
	/** Name of the marks at channels above their bound. */
	readonly overName: string;
	/** Name of the errors. */
	readonly name: string;
	/** Title of the axis of errors. */
	readonly title: string;
	/** Title of the axis of channels. */
	readonly channelTitle: string;
	readonly hover: Hover;
}

/** Draws errors as dots on a logarithmic axis under the line of their bounds. An exact channel has no dot. */
export function errorPlot(plot: ErrorPlot, theme: Theme): Omit<Figure, 'summary'> {
	const { errors, bounds } = plot;
	const range = errorDecades(errors, bounds);
	const bad = channelsWhere(errors, (error) => !Number.isFinite(error));
	return {
		data: errorTraces(plot, { bad, floor: 10 ** range[0], theme }),
		layout: baseLayout(theme, {
			xaxis: channelAxis(theme, errors.length, plot.channelTitle),
			yaxis: axis(theme, {
				title: { text: plot.title, standoff: 4 },
				fixedrange: true,
				...logAxis(range),
			}),
			// A stepped line of a single point has no length.
			shapes: bounds.length === 1 ? [horizontalLine(bounds[0] ?? 0, 'y', theme)] : [],
		}),
		notes: [...(bad.length > 0 ? [strings.plots.hidden(bad.length)] : []), ...notAllDrawn(errors.length)],
		isOverChannels: true,
		mark: (channel) => [channelLine(channel, theme)],
	};
}

interface ErrorMarks {
	/** Channels with an error that is not finite, ascending. */
	readonly bad: readonly number[];
	/** Lower end of the axis, with marks for unplaceable errors. */
	readonly floor: number;
	readonly theme: Theme;
}

function errorTraces(
	{ errors, bounds, over, overName, name, hover }: ErrorPlot,
	{ bad, floor, theme }: ErrorMarks,
): Trace[] {
	const fits = (value: number): boolean => value > 0 && Number.isFinite(value);
	const pointOf = (channel: number): Point => {
		const error = errors[channel] ?? Number.NaN;
		return { channel, x: channel, y: fits(error) ? Math.max(error, floor) : floor };
	};
	const series = (title: string, values: Float64Array, color: string): Trace =>
		channelTrace({ name: title, values, color, as: 'dots', hover }, theme, fits);
	const { hovertemplate: _, ...dots } = series(name, errors, theme.first);
	const { marker: __, ...line } = series(strings.plots.bound, bounds, theme.flag);
	const mark = { color: theme.error, hover };
	return [
		// Every channel has a bound, so the line answers the pointer: an exact channel has no dot to hover.
		{ ...dots, hoverinfo: 'skip' },
		{ ...line, mode: 'lines', line: { shape: 'hvh', width: 1.5, color: theme.flag } },
		...marks(over.map(pointOf), { ...mark, name: overName, symbol: 'diamond-open' }),
		...marks(bad.map(pointOf), { ...mark, name: strings.plots.notFinite, symbol: 'x-thin' }),
	];
}
