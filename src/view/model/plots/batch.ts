import { layerDrift } from '../../../core/inspection/layer-drift.js';
import { rangeOf } from '../../../core/numbers/arrays.js';
import type { LayerReport } from '../../../core/report/types.js';
import { formatInteger, formatNumber } from '../../../core/text/numbers.js';
import { type Axis, axis, baseLayout, logAxis } from '../../plots/base.js';
import type { Figure, Shape, Trace } from '../../plots/plotly.js';
import type { Theme } from '../../plots/theme.js';
import { MOST_POINTS, marks, type Point, pointData, ring, thin, translucent } from '../../plots/traces.js';
import { flaggedChannels } from '../../shared/layer-facts.js';
import { strings } from '../../text/strings.js';
import { channelHover, type Hover } from './hover.js';

/** Running (x) against batch (y), mean on the left and variance, logarithmic, on the right; a line where they are equal. */
export function batchFigure(layer: LayerReport, theme: Theme): Figure | null {
	const { parameters, batch } = layer;
	if (!parameters || !batch) {
		return null;
	}
	const flagged = new Set(flaggedChannels(layer));
	const words = strings.plots.batch;
	const hover = channelHover(layer, [
		{ name: words.runningMean, values: parameters.mean },
		{ name: words.batchMean, values: batch.mean },
		{ name: words.runningVariance, values: parameters.variance },
		{ name: words.batchVariance, values: batch.variance },
	]);
	const context = { theme, flagged, hover, shown: chooseChannels(layer, flagged) };
	const mean = scatter(context, { running: parameters.mean, batch: batch.mean, ...MEAN });
	const variance = scatter(context, { running: parameters.variance, batch: batch.variance, ...VARIANCE });
	const size = parameters.mean.length;
	const bad = new Set([...mean.bad, ...variance.bad]).size;
	return {
		data: [...mean.traces, ...variance.traces],
		layout: baseLayout(theme, {
			hovermode: 'closest',
			xaxis: mean.xaxis,
			yaxis: mean.yaxis,
			xaxis2: variance.xaxis,
			yaxis2: variance.yaxis,
			shapes: [mean.diagonal, variance.diagonal],
		}),
		summary: words.summary(formatInteger(size), formatInteger(batch.count), largestDrift(layer)),
		notes: [
			...(context.shown.length < size ? [strings.plots.sampled(context.shown.length, size)] : []),
			...(bad > 0 ? [strings.plots.unplaced(bad)] : []),
		],
		mark: (channel) => [...mean.mark(channel), ...variance.mark(channel)],
	};
}

interface Half {
	readonly symbol: string;
	readonly log: boolean;
	readonly axes: { readonly x: string; readonly y: string };
	/** Left and right end as shares of the figure's width. */
	readonly domain: readonly [number, number];
}

const MEAN: Half = { symbol: 'μ', log: false, axes: { x: 'x', y: 'y' }, domain: [0, 0.42] };
const VARIANCE: Half = { symbol: 'σ²', log: true, axes: { x: 'x2', y: 'y2' }, domain: [0.58, 1] };

interface Values extends Half {
	readonly running: ArrayLike<number>;
	readonly batch: ArrayLike<number>;
}

interface ScatterContext {
	readonly theme: Theme;
	readonly flagged: ReadonlySet<number>;
	readonly hover: Hover;
	/** Channels to draw, ascending. */
	readonly shown: readonly number[];
}

interface Scatter {
	readonly traces: readonly Trace[];
	readonly xaxis: Axis;
	readonly yaxis: Axis;
	readonly diagonal: Shape;
	/** Channels that have no place on the axes. */
	readonly bad: readonly number[];
	mark(channel: number): readonly Shape[];
}

function scatter({ theme, flagged, hover, shown }: ScatterContext, values: Values): Scatter {
	const { symbol, log, axes, domain } = values;
	const drawable = (value: number): boolean => Number.isFinite(value) && (!log || value > 0);
	const point = (channel: number): Point => ({
		channel,
		x: values.running[channel] ?? Number.NaN,
		y: values.batch[channel] ?? Number.NaN,
	});
	const drawn = ({ x, y }: Point): boolean => drawable(x) && drawable(y);
	const points = shown.map(point).filter(drawn);
	const range = commonRange(points, log);
	const scale = (title: string, anchor: string): Axis => ({
		...(log ? logAxis(range) : { range, nticks: 5 }),
		title: { text: title, standoff: 4 },
		anchor,
		zeroline: false,
	});
	const on = { xaxis: axes.x, yaxis: axes.y };
	const plain = points.filter(({ channel }) => !flagged.has(channel));
	const marked = points.filter(({ channel }) => flagged.has(channel));
	const flag = { name: strings.plots.flagged, colour: theme.flag, symbol: 'diamond-open', hover, ...on } as const;
	return {
		traces: [{ ...dots(plain, hover, theme), ...on }, ...marks(marked, flag)],
		xaxis: axis(theme, { ...scale(strings.plots.batch.runningAxis(symbol), axes.y), domain }),
		yaxis: axis(theme, scale(strings.plots.batch.batchAxis(symbol), axes.x)),
		diagonal: diagonal(range, values, theme),
		bad: shown.filter((channel) => !drawn(point(channel))),
		mark: (channel) => {
			const { x, y } = point(channel);
			return drawn({ channel, x, y }) ? [ring(x, y, axes, theme)] : [];
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

/** Everything up to the limit, else flagged channels, the extremes and an even sample. */
function chooseChannels({ parameters, batch }: LayerReport, flagged: ReadonlySet<number>): readonly number[] {
	const size = parameters?.mean.length ?? 0;
	const all = Array.from({ length: size }, (_, channel) => channel);
	if (size <= MOST_POINTS) {
		return all;
	}
	const chosen = new Set<number>(thin([...flagged], MOST_POINTS / 3));
	for (const values of [parameters?.mean, parameters?.variance, batch?.mean, batch?.variance]) {
		const { min, max } = rangeOf(values ?? []);
		chosen.add(values?.indexOf(min) ?? -1).add(values?.indexOf(max) ?? -1);
	}
	for (const channel of thin(all, MOST_POINTS - chosen.size)) {
		chosen.add(channel);
	}
	chosen.delete(-1);
	return [...chosen].sort((a, b) => a - b);
}

/** One range for both axes, so that the line of equality is the diagonal. Powers of ten for a logarithmic one. */
function commonRange(points: readonly Point[], log: boolean): readonly [number, number] {
	const { min, max } = rangeOf(points.flatMap(({ x, y }) => (log ? [Math.log10(x), Math.log10(y)] : [x, y])));
	if (Number.isNaN(min)) {
		return [0, 1];
	}
	const air = (max - min || 1) * 0.06;
	return [min - air, max + air];
}

function diagonal(range: readonly [number, number], { log, axes }: Half, theme: Theme): Shape {
	const [low, high] = log ? [10 ** range[0], 10 ** range[1]] : range;
	return {
		type: 'line',
		xref: axes.x,
		yref: axes.y,
		x0: low,
		y0: low,
		x1: high,
		y1: high,
		layer: 'below',
		line: { color: theme.muted, width: 1, dash: 'dash' },
	};
}

/** The channel whose batch mean lies farthest from the running mean, in running standard deviations. */
function largestDrift(layer: LayerReport): { drift: string; channel: number } {
	const shift = layerDrift(layer)?.shift.map(Math.abs) ?? Float64Array.of();
	const at = shift.reduce((worst, value, c) => (value > (shift[worst] ?? 0) ? c : worst), 0);
	return { drift: formatNumber(shift[at] ?? 0, 3), channel: at };
}
