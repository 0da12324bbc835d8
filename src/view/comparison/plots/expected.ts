import { rangeOf } from '../../../core/numbers/arrays.js';
import type { LayerComparison } from '../../../core/report/comparison.js';
import type { Hover } from '../../model/plots/hover.js';
import { type Axis, axis, baseLayout } from '../../plots/base.js';
import type { Figure, Shape, Trace } from '../../plots/plotly.js';
import type { Theme } from '../../plots/theme.js';
import { MOST_POINTS, marks, type Point, pointData, ring, thin, translucent } from '../../plots/traces.js';
import { strings as shared } from '../../text/strings.js';
import { channelCount, wrongChannels } from '../facts.js';
import { strings } from '../strings.js';
import { comparedHover } from './hover.js';

/** Expected (x) against found (y): the factor on the weights on the left, the bias on the right; a line where they are equal. */
export function expectedFigure(layer: LayerComparison, theme: Theme): Figure | null {
	const { expectedRatio, weightRatio, expectedBias, foundBias } = layer.perChannel;
	const size = channelCount(layer);
	if (size === 0) {
		return null;
	}
	const none = new Float64Array(size).fill(Number.NaN);
	const words = strings.plots;
	const hover = comparedHover(layer, [
		{ name: words.weightsExpected, values: expectedRatio ?? none },
		{ name: words.weightsFound, values: weightRatio },
		{ name: words.biasExpected, values: expectedBias ?? none },
		{ name: words.biasFound, values: foundBias ?? none },
	]);
	const wrong = new Set(wrongChannels(layer));
	const context = { theme, wrong, hover, shown: chooseChannels(size, wrong) };
	const left = half(context, { ...WEIGHTS, expected: expectedRatio ?? none, found: weightRatio });
	const right = half(context, { ...BIAS, expected: expectedBias ?? none, found: foundBias ?? none });
	return {
		data: [...left.traces, ...right.traces],
		layout: baseLayout(theme, {
			hovermode: 'closest',
			xaxis: left.xaxis,
			yaxis: left.yaxis,
			xaxis2: right.xaxis,
			yaxis2: right.yaxis,
			shapes: [left.diagonal, right.diagonal],
		}),
		summary: words.expectedSummary(size, wrong.size),
		notes: context.shown.length < size ? [shared.plots.sampled(context.shown.length, size)] : [],
		mark: (channel) => [...left.mark(channel), ...right.mark(channel)],
	};
}

interface Half {
	readonly titles: readonly [expected: string, found: string];
	readonly axes: { readonly x: string; readonly y: string };
	/** Left and right end as shares of the figure's width. */
	readonly domain: readonly [number, number];
}

const WEIGHTS: Half = {
	titles: [strings.plots.weightsExpected, strings.plots.weightsFound],
	axes: { x: 'x', y: 'y' },
	domain: [0, 0.42],
};
const BIAS: Half = {
	titles: [strings.plots.biasExpected, strings.plots.biasFound],
	axes: { x: 'x2', y: 'y2' },
	domain: [0.58, 1],
};

interface Values extends Half {
	readonly expected: ArrayLike<number>;
	readonly found: ArrayLike<number>;
}

interface Context {
	readonly theme: Theme;
	readonly wrong: ReadonlySet<number>;
	readonly hover: Hover;
	readonly shown: readonly number[];
}

interface Scatter {
	readonly traces: readonly Trace[];
	readonly xaxis: Axis;
	readonly yaxis: Axis;
	readonly diagonal: Shape;
	mark(channel: number): readonly Shape[];
}

function half({ theme, wrong, hover, shown }: Context, { expected, found, titles, axes, domain }: Values): Scatter {
	const point = (channel: number): Point => ({
		channel,
		x: expected[channel] ?? Number.NaN,
		y: found[channel] ?? Number.NaN,
	});
	const drawn = ({ x, y }: Point): boolean => Number.isFinite(x) && Number.isFinite(y);
	const points = shown.map(point).filter(drawn);
	const range = commonRange(points);
	const scale = (title: string, anchor: string): Axis => ({
		range,
		nticks: 5,
		title: { text: title, standoff: 4 },
		anchor,
		zeroline: false,
	});
	const on = { xaxis: axes.x, yaxis: axes.y };
	const right = points.filter(({ channel }) => !wrong.has(channel));
	const off = points.filter(({ channel }) => wrong.has(channel));
	const mark = { name: strings.plots.wrong, colour: theme.error, symbol: 'diamond-open', hover, ...on } as const;
	return {
		traces: [{ ...dots(right, hover, theme), ...on }, ...marks(off, mark)],
		xaxis: axis(theme, { ...scale(titles[0], axes.y), domain }),
		yaxis: axis(theme, scale(titles[1], axes.x)),
		diagonal: diagonal(range, axes, theme),
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
		name: shared.plots.axisOf.channel,
		...pointData(points, hover),
		marker: { symbol: 'circle', size, color },
	};
}

/** Everything up to the limit, else the wrong channels and an even sample. */
function chooseChannels(size: number, wrong: ReadonlySet<number>): readonly number[] {
	const all = Array.from({ length: size }, (_, channel) => channel);
	if (size <= MOST_POINTS) {
		return all;
	}
	const chosen = new Set([...thin([...wrong], MOST_POINTS / 2), ...thin(all, MOST_POINTS / 2)]);
	return [...chosen].sort((a, b) => a - b);
}

/** One range for both axes, so that the line of equality is the diagonal. */
function commonRange(points: readonly Point[]): readonly [number, number] {
	const { min, max } = rangeOf(points.flatMap(({ x, y }) => [x, y]));
	if (Number.isNaN(min)) {
		return [0, 1];
	}
	const air = (max - min || Math.abs(max) || 1) * 0.06;
	return [min - air, max + air];
}

function diagonal([low, high]: readonly [number, number], axes: Half['axes'], theme: Theme): Shape {
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
