import { strings } from '../text/strings.js';
import type { Hover } from './hover.js';
import type { Shape, Trace } from './plotly.js';
import { channelsOf, type Theme } from './theme.js';

/** Largest number of bars: SVG elements cost time, and more bars would be thinner than two pixels. */
const MAX_BARS = 256;
const MAX_DOTS = 512;
/** Maximum number of scatter points, each an SVG element. */
export const MAX_POINTS = 1500;
/** Largest number of marks on top of a plot. */
const MAX_MARKS = 500;

export interface ChannelSeries {
	readonly name: string;
	readonly values: ArrayLike<number>;
	readonly color: string;
	/** Bars start at zero. A logarithmic axis has no zero, so it shows dots. */
	readonly as: 'bars' | 'dots';
	readonly hover: Hover;
	readonly yaxis?: string;
}

/**
 * Draws a value per channel: few channels as bars or dots, many as a stepped line. The line is a single path in the
 * document, so it stays fast at 10,000 channels. Leaves out values that are not drawable.
 */
export function channelTrace(series: ChannelSeries, theme: Theme, drawable: (value: number) => boolean): Trace {
	const { color, values } = series;
	const channels = drawnChannels(values, drawable);
	const shared = {
		name: series.name,
		x: channels,
		y: channels.map((channel) => {
			const value = values[channel] ?? Number.NaN;
			return drawable(value) ? value : null;
		}),
		customdata: channels.map(series.hover.row),
		hovertemplate: series.hover.template,
		yaxis: series.yaxis ?? 'y',
	};
	if (series.as === 'dots' && values.length <= MAX_DOTS) {
		const size = values.length > 200 ? 4 : 6;
		return { ...shared, type: 'scatter', mode: 'markers', marker: { color: color, size, symbol: 'circle' } };
	}
	if (series.as === 'bars' && values.length <= MAX_BARS) {
		return { ...shared, type: 'bar', marker: { color: color, line: { width: 0 } } };
	}
	const line = { shape: 'hvh', width: 1, color: color };
	const fillcolor = translucent(color, theme.highContrast ? 0.6 : 0.35);
	return series.as === 'bars'
		? { ...shared, type: 'scatter', mode: 'lines', line, fill: 'tozeroy', fillcolor }
		: { ...shared, type: 'scatter', mode: 'lines', line };
}

/** Largest number of channels in a line. A path of a million points takes the browser minutes. */
export const MAX_LINE = 16_384;
/** Groups of channels in a longer line, each with its smallest and its largest value: more than a screen has columns. */
const GROUPS = 4096;

/** Returns the channels that a line shows, ascending: all, or the extremes of each group of neighbors. */
function drawnChannels(values: ArrayLike<number>, drawable: (value: number) => boolean): number[] {
	const { length } = values;
	if (length <= MAX_LINE) {
		return Array.from({ length }, (_, channel) => channel);
	}
	const channels: number[] = [];
	for (let group = 0; group < GROUPS; group++) {
		let [low, high] = [-1, -1];
		for (let c = Math.floor((group * length) / GROUPS); c < Math.floor(((group + 1) * length) / GROUPS); c++) {
			const value = values[c] ?? Number.NaN;
			if (drawable(value)) {
				low = low < 0 || value < (values[low] ?? 0) ? c : low;
				high = high < 0 || value > (values[high] ?? 0) ? c : high;
			}
		}
		channels.push(...[Math.min(low, high), Math.max(low, high)].filter((c, i) => c >= 0 && (i === 0 || low !== high)));
	}
	return channels;
}

/** Returns the note below a plot that leaves channels out of its lines. */
export function notAllDrawn(size: number): string[] {
	return size > MAX_LINE ? [strings.plots.extremes(Math.ceil(size / GROUPS))] : [];
}

export interface Point {
	readonly channel: number;
	readonly x: number;
	readonly y: number;
}

export interface MarkOptions {
	readonly name: string;
	readonly color: string;
	readonly symbol: 'diamond-open' | 'x-thin';
	readonly hover: Hover;
	readonly xaxis?: string;
	readonly yaxis?: string;
}

/** Marks channels with a shape, because color alone must not carry meaning. Returns no trace for no points. */
export function marks(points: readonly Point[], { name, color, symbol, hover, ...axes }: MarkOptions): Trace[] {
	if (points.length === 0) {
		return [];
	}
	const shown = thin(points, MAX_MARKS);
	return [
		{
			type: 'scatter',
			mode: 'markers',
			name,
			...pointData(shown, hover),
			marker: { symbol, size: 9, color: color, line: { width: 2, color: color } },
			cliponaxis: false,
			...axes,
		},
	];
}

/** Returns coordinates and hover rows of points. */
export function pointData(
	points: readonly Point[],
	hover: Hover,
): Pick<Trace, 'x' | 'y' | 'customdata' | 'hovertemplate'> {
	return {
		x: points.map(({ x }) => x),
		y: points.map(({ y }) => y),
		customdata: points.map(({ channel }) => hover.row(channel)),
		hovertemplate: hover.template,
	};
}

/** Returns evenly spaced members of a list, at most `most`. */
export function thin<T>(list: readonly T[], most: number): readonly T[] {
	if (list.length <= most) {
		return list;
	}
	const step = list.length / most;
	return Array.from({ length: Math.floor(most) }, (_, i) => list[Math.floor(i * step)] as T);
}

export function channelsWhere(values: ArrayLike<number>, test: (value: number, channel: number) => boolean): number[] {
	const channels: number[] = [];
	for (let channel = 0; channel < values.length; channel++) {
		if (test(values[channel] ?? Number.NaN, channel)) {
			channels.push(channel);
		}
	}
	return channels;
}

/** Returns a vertical line through all panels at a channel. */
export function channelLine(channel: number, theme: Theme): Shape {
	return {
		type: 'line',
		xref: 'x',
		yref: 'paper',
		x0: channel,
		x1: channel,
		y0: 0,
		y1: 1,
		line: { color: theme.foreground, width: 1, dash: 'dot' },
	};
}

/** Returns a dashed line across a panel that shows a limit. */
export function horizontalLine(at: number, yaxis: string, theme: Theme): Shape {
	return {
		type: 'line',
		xref: 'paper',
		yref: yaxis,
		x0: 0,
		x1: 1,
		y0: at,
		y1: at,
		line: { color: theme.flag, width: 1, dash: 'dash' },
	};
}

/** Returns a ring of fixed size around a data point. */
export function ring(x: number, y: number, axes: { readonly x: string; readonly y: string }, theme: Theme): Shape {
	return {
		type: 'circle',
		xref: axes.x,
		yref: axes.y,
		xsizemode: 'pixel',
		ysizemode: 'pixel',
		xanchor: x,
		yanchor: y,
		x0: -7,
		x1: 7,
		y0: -7,
		y1: 7,
		line: { color: theme.foreground, width: 2 },
	};
}

export function translucent(color: string, alpha: number): string {
	return `rgba(${channelsOf(color).join(', ')}, ${alpha})`;
}
