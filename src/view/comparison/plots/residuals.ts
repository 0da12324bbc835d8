import { rangeOf } from '../../../core/numbers/arrays.js';
import { axis, baseLayout, channelAxis } from '../../plots/base.js';
import type { Hover } from '../../plots/hover.js';
import type { Figure, Shape, Trace } from '../../plots/plotly.js';
import type { Theme } from '../../plots/theme.js';
import {
	channelLine,
	channelsWhere,
	channelTrace,
	horizontalLine,
	marks,
	notAllDrawn,
	translucent,
} from '../../plots/traces.js';
import { strings as shared } from '../../text/strings.js';
import { strings } from '../strings.js';

/** Differences of a layer's channels to the right fold, all of shape (channels). */
export interface Residuals {
	/** Found minus expected. */
	readonly found: Float64Array;
	/** Predicted by the named causes, minus expected. */
	readonly explained?: Float64Array;
	/** Channels to mark, ascending. */
	readonly wrong: readonly number[];
	/** Largest |found| that rounding allows. */
	readonly bounds?: Float64Array;
	readonly title: string;
	/** Smallest half height of the axis. */
	readonly least: number;
	/** Half height of the axis beyond which channels are marked at its end. */
	readonly most: number;
	readonly hover: Hover;
}

/** Draws differences around 0, the band of rounding, and a dash per predicted value. */
export function residualFigure(residuals: Residuals, theme: Theme): Omit<Figure, 'summary'> {
	const { found, explained, bounds, title, hover } = residuals;
	const range = residualRange(residuals);
	const place = (values: Float64Array) => (channel: number) => {
		const value = values[channel] ?? Number.NaN;
		return { channel, x: channel, y: Number.isNaN(value) ? 0 : Math.max(range[0], Math.min(value, range[1])) };
	};
	const bad = channelsWhere(found, (value) => !Number.isFinite(value));
	const beyond = channelsWhere(found, (value) => value < range[0] || value > range[1]).length;
	const wrong = residuals.wrong.filter((channel) => Number.isFinite(found[channel]));
	const series = { name: title, values: found, color: theme.first, as: 'dots', hover } as const;
	return {
		data: [
			channelTrace(series, theme, (value) => value >= range[0] && value <= range[1]),
			...marks(wrong.map(place(found)), {
				name: strings.plots.wrong,
				color: theme.error,
				symbol: 'diamond-open',
				hover,
			}),
			...(explained ? [dashes(explained, place(explained), theme)] : []),
			...marks(bad.map(place(found)), { name: shared.plots.notFinite, color: theme.error, symbol: 'x-thin', hover }),
		],
		layout: baseLayout(theme, {
			xaxis: channelAxis(theme, found.length, shared.plots.axisOf.channel),
			yaxis: axis(theme, {
				title: { text: title, standoff: 4 },
				range,
				nticks: 5,
				fixedrange: true,
				zeroline: false,
				exponentformat: 'e',
			}),
			shapes: [...(bounds ? [band(bounds, theme)] : []), horizontalLine(0, 'y', theme)],
		}),
		notes: [
			...(bad.length > 0 ? [shared.plots.hidden(bad.length)] : []),
			...(beyond > 0 ? [strings.plots.beyond(beyond)] : []),
			...notAllDrawn(found.length),
		],
		isOverChannels: true,
		mark: (channel) => [channelLine(channel, theme)],
	};
}

/** Draws a short horizontal line at each predicted value. */
function dashes(
	values: Float64Array,
	place: (channel: number) => { readonly x: number; readonly y: number },
	theme: Theme,
): Trace {
	const points = channelsWhere(values, Number.isFinite).map(place);
	const size = Math.max(5, Math.min(16, 420 / values.length));
	return {
		type: 'scatter',
		mode: 'markers',
		name: strings.plots.explanation,
		x: points.map(({ x }) => x),
		y: points.map(({ y }) => y),
		hoverinfo: 'skip',
		marker: { symbol: 'line-ew', size, line: { width: 2.5, color: theme.second } },
		cliponaxis: false,
	};
}

/** Fills the area in which the difference may be rounding, up to the largest bound of a channel. */
function band(bounds: Float64Array, theme: Theme): Shape {
	const { max } = rangeOf(bounds);
	return {
		type: 'rect',
		xref: 'paper',
		yref: 'y',
		x0: 0,
		x1: 1,
		y0: -max,
		y1: max,
		layer: 'below',
		line: { width: 0 },
		fillcolor: translucent(theme.muted, theme.highContrast ? 0.35 : 0.16),
	};
}

function residualRange({ found, explained = found, least, most }: Residuals): readonly [number, number] {
	const [a, b] = [rangeOf(found), rangeOf(explained)];
	const finite = (value: number): number => (Number.isNaN(value) ? 0 : value);
	const low = Math.max(-most, Math.min(finite(a.min), finite(b.min), -least));
	const high = Math.min(most, Math.max(finite(a.max), finite(b.max), least));
	const margin = (high - low) * 0.08;
	return [low - margin, high + margin];
}
