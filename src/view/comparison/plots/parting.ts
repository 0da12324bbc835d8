import type { LayerBehavior } from '../../../core/report/comparison/behavior.js';
import type { Comparison, LayerComparison } from '../../../core/report/comparison/comparison.js';
import { isQuantized, MIN_OUTPUT_DECIBELS, noisyLayer, outputNoise } from '../../../core/report/comparison/signal.js';
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
/** Ratios of errors of 1 %, 10 % and 100 %, in dB. */
const ERROR_LEVELS = [40, 20, 0] as const;
/** Minimum rise behind a difference to explain, in dB: twice the power. */
const MIN_RISE = 3;
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
	const drop = noisyLayer(comparison);
	const levels = levelsOf(comparison).filter(({ y }) => y < top && y >= floor);
	const words = { ...strings.parting.statuses, ...(isQuantized(comparison) && { match: strings.parting.quantized }) };
	return {
		data: [line(dots, theme), ...groupTraces(dots, layers, { theme, words })],
		layout: baseLayout(theme, {
			margin: { l: 62, r: 96, t: 18, b: 36 },
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
			shapes: [
				...levels.map((level) => levelLine(level, theme)),
				...placeLine(place, theme.error),
				...placeLine(drop?.index ?? null, theme.flag),
			],
			annotations: [
				...levels.map((level) => levelWord(level, theme)),
				...(place === null
					? []
					: [placeWord(place, layers.length, { theme, ...differenceWord(place, layers.length, theme) })]),
				...(drop
					? [placeWord(drop.index, layers.length, { theme, text: strings.parting.drop, color: theme.flag })]
					: []),
			],
		}),
		summary: summaryOf(comparison, known, place),
		notes: [
			legend(dots, words),
			...(isQuantized(comparison) ? [strings.parting.rounded] : []),
			...(hasRise(dots, place) ? [strings.parting.rises] : []),
			...withoutPoint(comparison, dots.length),
			...(isWithin(comparison) ? [withinNote(comparison, dots)] : []),
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

type GroupWords = Readonly<Record<Group, string>>;

function groupTraces(
	dots: readonly Dot[],
	layers: readonly LayerComparison[],
	{ theme, words }: { readonly theme: Theme; readonly words: GroupWords },
): Trace[] {
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
						name: words[group],
						x: members.map(({ index }) => index + 1),
						y: members.map(({ y }) => y),
						customdata: members.map((dot) => hoverRow(dot, layers, words)),
						hovertemplate: `${strings.parting.layer} %{customdata[1]}<br>%{customdata[2]}<br>%{customdata[3]}<extra></extra>`,
						marker: { symbol: SYMBOLS[group], size, color: colors[group], line: { width: 1.5, color: colors[group] } },
						cliponaxis: false,
					},
				];
	});
}

function hoverRow({ index, group }: Dot, layers: readonly LayerComparison[], words: GroupWords): PointData {
	const layer = layers[index];
	const ratio = layer ? formatDecibels(layer) : '';
	const amount = ratio === 'equal' ? strings.parting.equal : `${ratio} ${strings.parting.decibels}`;
	// Plotly reads tags in data, too.
	const name = label(layer?.name ?? '', 70).replaceAll('<', '‹');
	return [index, index + 1, name, `${amount.replaceAll('<', '&lt;')}, ${words[group]}`];
}

/** @param index of a layer, or half an index between two */
function verticalLine(index: number, style: Readonly<Record<string, unknown>>): Shape {
	return { type: 'line', xref: 'x', yref: 'paper', x0: index + 1, x1: index + 1, y0: 0, y1: 1, line: style };
}

function placeLine(place: number | null, color: string): Shape[] {
	return place === null ? [] : [verticalLine(place, { color, width: 1.5, dash: 'dash' })];
}

function differenceWord(place: number, layers: number, theme: Theme) {
	return { text: place > layers - 1 ? strings.parting.behindAll : strings.parting.first, color: theme.error };
}

function placeWord(
	place: number,
	layers: number,
	{ theme, text, color }: { readonly theme: Theme; readonly text: string; readonly color: string },
): Readonly<Record<string, unknown>> {
	const isLeft = place + 1 <= (layers + 1) / 2;
	return {
		x: place + 1,
		y: 1,
		xref: 'x',
		yref: 'paper',
		xanchor: isLeft ? 'left' : 'right',
		yanchor: 'bottom',
		showarrow: false,
		text,
		font: { color, size: theme.fontSize },
	};
}

/** A horizontal line with its meaning. */
interface Level {
	readonly y: number;
	readonly text: string;
	readonly isLimit?: true;
}

/** Levels in dB: precision of number formats, or the size of errors among the larger ones of quantization. */
function levelsOf(comparison: Comparison): readonly Level[] {
	if (!isQuantized(comparison)) {
		return PRECISIONS.map((bits) => ({ y: decibelsOf(bits), text: strings.parting.precision[bits] }));
	}
	const isLoud = outputNoise(comparison)?.isLoud ?? false;
	return [
		...ERROR_LEVELS.map((y) => ({ y, text: strings.parting.errors[y] ?? '' })),
		...(isLoud ? [{ y: MIN_OUTPUT_DECIBELS, text: strings.parting.limit, isLimit: true } as const] : []),
	];
}

function levelLine({ y, isLimit }: Level, theme: Theme): Shape {
	return {
		type: 'line',
		xref: 'paper',
		yref: 'y',
		x0: 0,
		x1: 1,
		y0: y,
		y1: y,
		layer: 'below',
		line: { color: isLimit ? theme.flag : theme.muted, width: 1, dash: 'dot' },
	};
}

function levelWord({ y, text, isLimit }: Level, theme: Theme): Readonly<Record<string, unknown>> {
	return {
		x: 1,
		y,
		xref: 'paper',
		yref: 'y',
		xanchor: 'left',
		yanchor: 'middle',
		xshift: 4,
		showarrow: false,
		text,
		font: { color: isLimit ? theme.flag : theme.muted, size: theme.fontSize - 1 },
	};
}

function legend(dots: readonly Dot[], words: GroupWords): string {
	const groups = (Object.keys(SYMBOLS) as Group[]).filter((group) => dots.some((dot) => dot.group === group));
	return `${groups.map((group) => `${SIGNS[group]} ${words[group]}`).join(' · ')}.`;
}

/** True if the ratio of a layer behind the first difference is clearly above that of a layer in front of it. */
function hasRise(dots: readonly Dot[], place: number | null): boolean {
	const behind = place === null ? [] : dots.filter(({ index }) => index >= place);
	return behind.some(({ y }, i) => behind.slice(0, i).some((earlier) => y > earlier.y + MIN_RISE));
}

/** Says that nothing parts, of the layers whose values were judged. */
function withinNote(comparison: Comparison, dots: readonly Dot[]): string {
	const unjudged = dots.filter(({ group }) => group === 'skipped').length;
	const all = isQuantized(comparison) ? strings.parting.noneQuantized : strings.parting.none;
	return unjudged === 0 ? all : strings.parting.noneOf(dots.length - unjudged, unjudged);
}

/** True if the models were compared and do not part. */
const isWithin = (comparison: Comparison): boolean =>
	comparison.firstDifference === null && partingPlace(comparison) === null;

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
