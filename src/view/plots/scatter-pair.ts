import { rangeOf } from '../../core/numbers/arrays.js';
import { strings } from '../text/strings.js';
import { type Axis, axis, baseLayout, logAxis } from './base.js';
import type { Hover } from './hover.js';
import type { Figure, Shape, Trace } from './plotly.js';
import type { Theme } from './theme.js';
import { MAX_POINTS, marks, type Point, pointData, ring, thin, translucent } from './traces.js';

/** A scatter plot with a point per channel. */
export interface ScatterPlot {
	/** Indexed by channel. */
	readonly x: ArrayLike<number>;
	/** Indexed by channel. */
	readonly y: ArrayLike<number>;
	readonly titles: readonly [x: string, y: string];
	/** Both axes are logarithmic; values of 0 or below are not drawn. */
	readonly log: boolean;
}

export interface ScatterPairOptions {
	readonly theme: Theme;
	/** Number of channels. */
	readonly size: number;
	readonly hover: Hover;
	/** Channels drawn in a shape and color of their own. */
	readonly marked: ReadonlySet<number>;
	readonly mark: { readonly name: string; readonly color: string };
}

/** The drawn pair: the part of a figure without its words. */
export interface ScatterPair extends Pick<Figure, 'data' | 'layout' | 'mark'> {
	/** Number of channels drawn: all, or a sample of many. */
	readonly shown: number;
	/** Number of channels left out of a plot because a value does not fit its axes. */
	readonly unplaced: number;
}

/** Place of a plot in the figure. */
interface Place {
	readonly x: string;
	readonly y: string;
	/** Left and right end as shares of the figure's width. */
	readonly domain: readonly [number, number];
}

const LEFT: Place = { x: 'x', y: 'y', domain: [0, 0.42] };
const RIGHT: Place = { x: 'x2', y: 'y2', domain: [0.58, 1] };

/** Draws two scatter plots side by side, each with a line where x equals y. */
export function scatterPair(plots: readonly [ScatterPlot, ScatterPlot], options: ScatterPairOptions): ScatterPair {
	const channels = chooseChannels(plots, options);
	const left = drawPlot(plots[0], LEFT, channels, options);
	const right = drawPlot(plots[1], RIGHT, channels, options);
	return {
		data: [...left.traces, ...right.traces],
		layout: baseLayout(options.theme, {
			hovermode: 'closest',
			xaxis: left.xaxis,
			yaxis: left.yaxis,
			xaxis2: right.xaxis,
			yaxis2: right.yaxis,
			shapes: [left.diagonal, right.diagonal],
		}),
		mark: (channel) => [...left.mark(channel), ...right.mark(channel)],
		shown: channels.length,
		unplaced: new Set([...left.unplaced, ...right.unplaced]).size,
	};
}

interface DrawnPlot {
	readonly traces: readonly Trace[];
	readonly xaxis: Axis;
	readonly yaxis: Axis;
	readonly diagonal: Shape;
	/** Channels with a value that does not fit the axes. */
	readonly unplaced: readonly number[];
	mark(channel: number): readonly Shape[];
}

function drawPlot(
	{ x, y, titles, log }: ScatterPlot,
	place: Place,
	channels: readonly number[],
	{ theme, hover, marked, mark }: ScatterPairOptions,
): DrawnPlot {
	const pointOf = (channel: number): Point => ({ channel, x: x[channel] ?? Number.NaN, y: y[channel] ?? Number.NaN });
	const fits = (value: number): boolean => Number.isFinite(value) && (!log || value > 0);
	const isDrawn = (point: Point): boolean => fits(point.x) && fits(point.y);
	const all = channels.map(pointOf);
	const points = all.filter(isDrawn);
	const range = commonRange(points, log);
	const scale = (title: string, anchor: string): Axis => ({
		...(log ? logAxis(range) : { range, nticks: 5 }),
		title: { text: title, standoff: 4 },
		anchor,
		zeroline: false,
	});
	const axes = { xaxis: place.x, yaxis: place.y };
	const plain = points.filter(({ channel }) => !marked.has(channel));
	const stressed = points.filter(({ channel }) => marked.has(channel));
	return {
		traces: [
			{ ...dots(plain, hover, theme), ...axes },
			...marks(stressed, { ...mark, symbol: 'diamond-open', hover, ...axes }),
		],
		xaxis: axis(theme, { ...scale(titles[0], place.y), domain: place.domain }),
		yaxis: axis(theme, scale(titles[1], place.x)),
		diagonal: diagonal(log ? [10 ** range[0], 10 ** range[1]] : range, place, theme),
		unplaced: all.filter((point) => !isDrawn(point)).map(({ channel }) => channel),
		mark: (channel) => {
			const point = pointOf(channel);
			return isDrawn(point) ? [ring(point.x, point.y, place, theme)] : [];
		},
	};
}

function dots(points: readonly Point[], hover: Hover, theme: Theme): Trace {
	const size = points.length > 300 ? 4 : 6;
	const color = translucent(theme.first, theme.highContrast ? 1 : 0.75);
	return {
		type: 'scatter',
		mode: 'markers',
		name: strings.plots.axisOf.channel,
		...pointData(points, hover),
		marker: { symbol: 'circle', size, color },
	};
}

/** Returns all channels up to the limit; beyond it marked channels, the extremes and an even sample, ascending. */
function chooseChannels(
	plots: readonly ScatterPlot[],
	{ size, marked }: Pick<ScatterPairOptions, 'size' | 'marked'>,
): readonly number[] {
	const all = Array.from({ length: size }, (_, channel) => channel);
	if (size <= MAX_POINTS) {
		return all;
	}
	const chosen = new Set<number>(thin([...marked], MAX_POINTS / 3));
	for (const values of plots.flatMap(({ x, y }) => [Array.from(x), Array.from(y)])) {
		const { min, max } = rangeOf(values);
		chosen.add(values.indexOf(min)).add(values.indexOf(max));
	}
	chosen.delete(-1);
	for (const channel of thin(all, MAX_POINTS - chosen.size)) {
		chosen.add(channel);
	}
	return [...chosen].sort((a, b) => a - b);
}

/** Returns a common range for both axes, so that the line of equality is the diagonal; logarithmic: powers of ten. */
function commonRange(points: readonly Point[], log: boolean): readonly [number, number] {
	const { min, max } = rangeOf(points.flatMap(({ x, y }) => (log ? [Math.log10(x), Math.log10(y)] : [x, y])));
	if (Number.isNaN(min)) {
		return [0, 1];
	}
	const margin = (max - min || (log ? 1 : Math.abs(max)) || 1) * 0.06;
	return [min - margin, max + margin];
}

function diagonal([low, high]: readonly [number, number], { x, y }: Place, theme: Theme): Shape {
	return {
		type: 'line',
		xref: x,
		yref: y,
		x0: low,
		y0: low,
		x1: high,
		y1: high,
		layer: 'below',
		line: { color: theme.muted, width: 1, dash: 'dash' },
	};
}
