import { rangeOf } from '../../../core/numbers/arrays.js';
import type { LayerReport } from '../../../core/report/types.js';
import { formatNumber } from '../../../core/text/numbers.js';
import { type Axis, axis, baseLayout, channelAxis, logAxis } from '../../plots/base.js';
import type { Hover } from '../../plots/hover.js';
import type { Figure, Shape, Trace } from '../../plots/plotly.js';
import type { Theme } from '../../plots/theme.js';
import { channelLine, channelsWhere, channelTrace, horizontalLine, marks, notAllDrawn } from '../../plots/traces.js';
import { flaggedChannels, layerFacts } from '../../shared/layer-facts.js';
import { strings as shared } from '../../text/strings.js';
import { strings } from '../strings.js';
import { channelHover } from './hover.js';

/** Panel with a value per channel, over the shared axis. */
export interface Panel {
	readonly title: string;
	readonly values: ArrayLike<number>;
	readonly color: string;
	/** True for a logarithmic panel, which marks zero and negative values instead of drawing them. */
	readonly log?: boolean;
	/** Value of a dashed line, for example epsilon; positive in a logarithmic panel. */
	readonly line?: number;
	/** Half height of a band around zero, drawn as dashed lines if finite. Linear panels only. */
	readonly band?: number;
}

/** Draws two panels that share the axis of channels. */
export function stackedFigure(layer: LayerReport, panels: readonly [Panel, Panel], theme: Theme): Figure {
	const flagged = flaggedChannels(layer);
	const hover = channelHover(
		layer,
		panels.map(({ title, values }) => ({ name: title, values })),
	);
	const upper = drawPanel(panels[0], { flagged, hover, theme, yaxis: 'y', domain: [0.54, 1] });
	const lower = drawPanel(panels[1], { flagged, hover, theme, yaxis: 'y2', domain: [0, 0.46] });
	const bad = [...upper.bad, ...lower.bad];
	const outside = bad.filter(Number.isFinite).length;
	const channels = channelAxis(theme, layerFacts(layer).size, shared.plots.axisOf[layer.axes]);
	return {
		data: [...upper.traces, ...lower.traces],
		layout: baseLayout(theme, {
			xaxis: { ...channels, anchor: 'y2' },
			yaxis: upper.axis,
			yaxis2: lower.axis,
			shapes: [...upper.shapes, ...lower.shapes],
		}),
		summary: strings.plots.stackedSummary(
			panels.map(({ title, values }) => strings.plots.value(title, describe(values))),
			flagged.length,
		),
		notes: [
			...(bad.length > outside ? [shared.plots.hidden(bad.length - outside)] : []),
			...(outside > 0 ? [strings.plots.notPositive(outside)] : []),
			...panels.flatMap(({ title, values, band }) => farBand(title, values, band)),
			...notAllDrawn(layerFacts(layer).size),
		],
		isOverChannels: true,
		mark: (channel) => [channelLine(channel, theme)],
	};
}

interface PanelContext {
	readonly flagged: readonly number[];
	readonly hover: Hover;
	readonly theme: Theme;
	readonly yaxis: string;
	/** Lower and upper end as shares of the figure's height. */
	readonly domain: readonly [number, number];
}

interface DrawnPanel {
	readonly axis: Axis;
	readonly traces: readonly Trace[];
	readonly shapes: readonly Shape[];
	/** Values that are marked instead of drawn. */
	readonly bad: readonly number[];
}

function drawPanel(panel: Panel, { flagged, hover, theme, yaxis, domain }: PanelContext): DrawnPanel {
	const { title, values, color, log = false } = panel;
	const drawable = (value: number): boolean => Number.isFinite(value) && (!log || value > 0);
	const range = valueRange(panel, drawable);
	const floor = log ? 10 ** range[0] : 0;
	const bad = channelsWhere(values, (value) => !drawable(value));
	const shown = flagged.filter((channel) => drawable(values[channel] ?? Number.NaN));
	const flag = { name: strings.plots.flagged, color: theme.flag, symbol: 'diamond-open', hover, yaxis } as const;
	const cross = { name: shared.plots.notFinite, color: theme.error, symbol: 'x-thin', hover, yaxis } as const;
	return {
		axis: axis(theme, {
			title: { text: title, standoff: 4 },
			...(log ? logAxis(range) : { range, nticks: 5 }),
			domain,
			fixedrange: true,
		}),
		traces: [
			channelTrace({ name: title, values, color, as: log ? 'dots' : 'bars', hover, yaxis }, theme, drawable),
			...marks(
				shown.map((channel) => ({ channel, x: channel, y: values[channel] ?? floor })),
				flag,
			),
			...marks(
				bad.map((channel) => ({ channel, x: channel, y: floor })),
				cross,
			),
		],
		shapes: linesWithin(panel, range).map((line) => horizontalLine(line, yaxis, theme)),
		bad: bad.map((channel) => values[channel] ?? Number.NaN),
	};
}

/** Returns the lines that the range shows. */
function linesWithin(panel: Panel, [low, high]: readonly [number, number]): number[] {
	return linesOf(panel).filter((value) => panel.log || (value >= low && value <= high));
}

function linesOf({ line, band = Number.POSITIVE_INFINITY }: Panel): number[] {
	return [...(line === undefined ? [] : [line]), ...(Number.isFinite(band) ? [-band, band] : [])];
}

/** Maximum multiple of the largest value at which a line widens the range. Farther lines would flatten the bars. */
const MAX_LINE_DISTANCE = 2;

function isNearData(line: number, { min, max }: { readonly min: number; readonly max: number }): boolean {
	const largest = Math.max(Math.abs(min), Math.abs(max));
	return !(Math.abs(line) > MAX_LINE_DISTANCE * largest);
}

/** Returns the axis range with a margin, in powers of ten if logarithmic. A linear range includes zero. */
function valueRange(panel: Panel, drawable: (value: number) => boolean): readonly [number, number] {
	const { values, log, line } = panel;
	const { min, max } = rangeOf(Float64Array.from(values, (value) => (drawable(value) ? value : Number.NaN)));
	if (log) {
		const low = Math.log10(Number.isNaN(min) ? 0.1 : Math.min(min, line ?? min));
		const high = Math.log10(Number.isNaN(max) ? 1 : Math.max(max, line ?? max));
		return [Math.floor(low - 0.1), Math.ceil(high + 0.1)];
	}
	const lines = linesOf(panel).filter((value) => isNearData(value, { min, max }));
	const low = Math.min(0, Number.isNaN(min) ? 0 : min, ...lines);
	const high = Math.max(0, Number.isNaN(max) ? 1 : max, ...lines);
	const margin = (high - low || 1) * 0.06;
	return [low < 0 ? low - margin : low, high > 0 ? high + margin : high];
}

/** Returns a note where the band of chance lies outside the panel because all values are far inside it. */
function farBand(title: string, values: ArrayLike<number>, band: number | undefined): string[] {
	const { min, max } = rangeOf(values);
	return band !== undefined && Number.isFinite(band) && !isNearData(band, { min, max })
		? [strings.plots.withinChance(title, formatNumber(band, 2))]
		: [];
}

function describe(values: ArrayLike<number>): string {
	const { min, max, nonFinite } = rangeOf(values);
	const range = shared.range(formatNumber(min), formatNumber(max));
	return nonFinite > 0 ? `${range} (${strings.notFinite(nonFinite)})` : range;
}
