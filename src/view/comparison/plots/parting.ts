import type { LayerBehavior } from '../../../core/report/comparison/behavior.js';
import type { Comparison, LayerComparison } from '../../../core/report/comparison/comparison.js';
import { formatDecibels, isLost, MAX_DECIBELS, partingPlace } from '../../../core/report/comparison/signal-to-noise.js';
import { formatNumber } from '../../../core/text/numbers.js';
import { axis, baseLayout } from '../../plots/base.js';
import type { Figure, PointData, Shape, Trace } from '../../plots/plotly.js';
import type { Theme } from '../../plots/theme.js';
import { fullLabel, label } from '../../text/names.js';
import { strings } from '../strings.js';

/** Group of layers that are drawn alike. */
type Group = LayerBehavior['status'] | 'none';

/** Significant bits of the formats with a precision line; b bits give 20 log10(2) b dB. */
const PRECISIONS = [24, 11, 8] as const;
/** Room above the highest value, in dB. */
const ROOM = 12;

interface Dot {
	/** Index of the layer. */
	readonly index: number;
	readonly y: number;
	readonly group: Group;
}

/** True if a ratio is known for a layer, so that the figure shows something. */
export function hasRatios({ layers }: Pick<Comparison, 'layers'>): boolean {
	return layers.some(({ behavior }) => behavior !== undefined && behavior.snrDb !== null);
}

/**
 * Draws the signal-to-noise ratio of the values behind each layer (y, in dB) along the network (x, layers counted from
 * 1). Marks the place where the models part. A click on a point opens its layer: the first member of its data is the
 * layer's index.
 */
export function partingFigure(comparison: Comparison, theme: Theme): Figure | null {
	const { layers } = comparison;
	if (!hasRatios(comparison)) {
		return null;
	}
	const ratios = layers.map(({ behavior }) => Math.min(behavior?.snrDb ?? Number.NaN, MAX_DECIBELS));
	const known = ratios.filter((ratio) => !Number.isNaN(ratio));
	const floor = Math.min(0, ...known);
	const top = Math.max(...known) + ROOM;
	const dots = layers.flatMap((layer, index): Dot[] => {
		const y = ratios[index] ?? Number.NaN;
		const status = layer.behavior?.status ?? 'skipped';
		return Number.isNaN(y)
			? isLost(layer)
				? [{ index, y: floor, group: 'none' }]
				: []
			: [{ index, y, group: status }];
	});
	const place = partingPlace(comparison);
	const precisions = PRECISIONS.filter((bits) => decibelsOf(bits) < top);
	return {
		data: [line(dots, theme), ...groupTraces(dots, layers, theme)],
		layout: baseLayout(theme, {
			margin: { l: 62, r: 64, t: 18, b: 36 },
			hovermode: 'closest',
			xaxis: axis(theme, {
				title: { text: strings.parting.axis, standoff: 6 },
				range: [0.5, layers.length + 0.5 + (place !== null && place > layers.length - 1 ? 0.5 : 0)],
				showgrid: false,
				zeroline: false,
				tickformat: ',d',
				...(layers.length <= 12 ? { dtick: 1 } : { nticks: 14 }),
			}),
			yaxis: axis(theme, {
				title: { text: strings.parting.decibels, standoff: 4 },
				range: [floor - top * 0.06, top],
				nticks: 5,
				zeroline: false,
				fixedrange: true,
			}),
			shapes: [...precisions.map((bits) => precisionLine(bits, theme)), ...firstDifferenceLine(place, theme)],
			annotations: [
				...precisions.map((bits) => precisionWord(bits, theme)),
				...(place === null ? [] : [firstDifferenceWord(place, layers.length, theme)]),
			],
		}),
		summary: summaryOf(comparison, known, place),
		notes: [
			legend(dots),
			...roundedNote(comparison),
			...withoutPoint(comparison, dots.length),
			...(isWithin(comparison) ? [strings.parting.none] : []),
		],
		mark: (index) => [verticalLine(index, { color: theme.foreground, width: 1, dash: 'dot' })],
	};
}

const decibelsOf = (bits: number): number => 20 * Math.log10(2) * bits;

/** Connects the layers, so that the course of the ratio shows among many. */
function line(dots: readonly Dot[], theme: Theme): Trace {
	return {
		type: 'scatter',
		mode: 'lines',
		name: strings.parting.ratio,
		x: dots.map(({ index }) => index + 1),
		y: dots.map(({ y }) => y),
		hoverinfo: 'skip',
		line: { width: 1, color: theme.grid },
	};
}

/** Shapes differ beside colors, because color alone must not carry meaning. */
const SYMBOLS: Readonly<Record<Group, string>> = {
	match: 'circle',
	skipped: 'circle-open',
	behind: 'square-open',
	mismatch: 'diamond',
	none: 'x-thin',
};

const SIGNS: Readonly<Record<Group, string>> = { match: '●', skipped: '○', behind: '□', mismatch: '◆', none: '✕' };

function groupTraces(dots: readonly Dot[], layers: readonly LayerComparison[], theme: Theme): Trace[] {
	const size = layers.length > 120 ? 5 : 8;
	const colors: Readonly<Record<Group, string>> = {
		match: theme.first,
		skipped: theme.first,
		behind: theme.flag,
		mismatch: theme.error,
		none: theme.error,
	};
	return (Object.keys(SYMBOLS) as Group[]).flatMap((group): Trace[] => {
		const members = dots.filter((dot) => dot.group === group);
		return members.length === 0
			? []
			: [
					{
						type: 'scatter',
						mode: 'markers',
						name: strings.parting.statuses[group],
						x: members.map(({ index }) => index + 1),
						y: members.map(({ y }) => y),
						customdata: members.map((dot) => hoverRow(dot, layers)),
						hovertemplate: `${strings.parting.layer} %{customdata[1]}<br>%{customdata[2]}<br>%{customdata[3]}<extra></extra>`,
						marker: { symbol: SYMBOLS[group], size, color: colors[group], line: { width: 1.5, color: colors[group] } },
						cliponaxis: false,
					},
				];
	});
}

function hoverRow({ index, group }: Dot, layers: readonly LayerComparison[]): PointData {
	const layer = layers[index];
	const ratio = layer ? formatDecibels(layer) : '';
	const amount = ratio === 'equal' ? strings.parting.equal : `${ratio} ${strings.parting.decibels}`;
	// Plotly reads tags in data, too.
	const name = label(layer?.name ?? '', 70).replaceAll('<', '‹');
	return [index, index + 1, name, `${amount.replaceAll('<', '&lt;')}, ${strings.parting.statuses[group]}`];
}

/** @param index of a layer, or half an index between two */
function verticalLine(index: number, style: Readonly<Record<string, unknown>>): Shape {
	return { type: 'line', xref: 'x', yref: 'paper', x0: index + 1, x1: index + 1, y0: 0, y1: 1, line: style };
}

function firstDifferenceLine(place: number | null, theme: Theme): Shape[] {
	return place === null ? [] : [verticalLine(place, { color: theme.error, width: 1.5, dash: 'dash' })];
}

function firstDifferenceWord(place: number, layers: number, theme: Theme): Readonly<Record<string, unknown>> {
	const isLeft = place + 1 <= (layers + 1) / 2;
	return {
		x: place + 1,
		y: 1,
		xref: 'x',
		yref: 'paper',
		xanchor: isLeft ? 'left' : 'right',
		yanchor: 'bottom',
		showarrow: false,
		text: place > layers - 1 ? strings.parting.behindAll : strings.parting.first,
		font: { color: theme.error, size: theme.fontSize },
	};
}

function precisionLine(bits: (typeof PRECISIONS)[number], theme: Theme): Shape {
	const y = decibelsOf(bits);
	return {
		type: 'line',
		xref: 'paper',
		yref: 'y',
		x0: 0,
		x1: 1,
		y0: y,
		y1: y,
		layer: 'below',
		line: { color: theme.muted, width: 1, dash: 'dot' },
	};
}

function precisionWord(bits: (typeof PRECISIONS)[number], theme: Theme): Readonly<Record<string, unknown>> {
	return {
		x: 1,
		y: decibelsOf(bits),
		xref: 'paper',
		yref: 'y',
		xanchor: 'left',
		yanchor: 'middle',
		xshift: 4,
		showarrow: false,
		text: strings.parting.precision[bits],
		font: { color: theme.muted, size: theme.fontSize - 1 },
	};
}

function legend(dots: readonly Dot[]): string {
	const groups = (Object.keys(SYMBOLS) as Group[]).filter((group) => dots.some((dot) => dot.group === group));
	return `${groups.map((group) => `${SIGNS[group]} ${strings.parting.statuses[group]}`).join(' · ')}.`;
}

/** True if the models were compared and do not part. */
const isWithin = (comparison: Comparison): boolean =>
	comparison.firstDifference === null && partingPlace(comparison) === null;

/** Explains the falling ratio of a model with weights rounded to 8 bits. */
function roundedNote({ layers }: Comparison): string[] {
	return layers.some(({ causes }) => causes.includes('quantized-int8')) ? [strings.parting.rounded] : [];
}

/** Counts the layers without a point, with the first reason. */
function withoutPoint({ layers }: Comparison, points: number): string[] {
	const missing = layers.filter((layer) => !isLost(layer) && (layer.behavior?.snrDb ?? null) === null);
	const reason = missing.find(({ behavior }) => behavior?.reason)?.behavior?.reason ?? strings.parting.notCompared;
	return points < layers.length ? [strings.parting.withoutPoint(layers.length - points, fullLabel(reason))] : [];
}

function summaryOf({ layers, firstDifference }: Comparison, known: readonly number[], place: number | null): string {
	const [low, high] = [Math.min(...known), Math.max(...known)].map((value) => formatNumber(value, 3));
	const words = strings.parting;
	const first =
		place === null
			? firstDifference === undefined
				? words.unknown
				: words.none
			: place > layers.length - 1
				? words.behindAll
				: `${words.first}: ${label(layers[Math.ceil(place)]?.name ?? '', 70)}`;
	return words.summary(layers.length, low === high ? `${low} dB` : `${low} to ${high} dB`, first);
}
