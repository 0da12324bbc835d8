import type { Layout } from './plotly.js';
import type { Theme } from './theme.js';

/** Margins in CSS pixels, equal in all figures so that channels line up between them. */
const MARGIN = { l: 72, r: 12, t: 6, b: 36 };

export type Axis = Readonly<Record<string, unknown>>;

export function baseLayout(theme: Theme, extra: Readonly<Record<string, unknown>>): Layout {
	return {
		autosize: true,
		margin: MARGIN,
		paper_bgcolor: 'rgba(0,0,0,0)',
		plot_bgcolor: 'rgba(0,0,0,0)',
		font: { family: theme.font, size: theme.fontSize, color: theme.muted },
		showlegend: false,
		hovermode: 'x',
		hoverdistance: 40,
		dragmode: 'zoom',
		bargap: 0.25,
		barmode: 'overlay',
		hoverlabel: {
			bgcolor: theme.hoverBackground,
			bordercolor: theme.hoverBorder,
			font: { family: theme.font, size: theme.fontSize, color: theme.hoverForeground },
			align: 'left',
		},
		shapes: [],
		...extra,
	};
}

export function axis(theme: Theme, extra: Axis): Axis {
	return {
		gridcolor: theme.grid,
		linecolor: theme.grid,
		zerolinecolor: theme.muted,
		zerolinewidth: 1,
		tickcolor: theme.grid,
		automargin: false,
		...extra,
	};
}

/** Returns a logarithmic axis over a range in powers of ten, with about five labels at most. */
export function logAxis(range: readonly [number, number]): Axis {
	const decades = range[1] - range[0];
	// Writes exponents as "1e-6", because superscripts need inline styles, which the page's policy refuses.
	return decades >= 1.5
		? { type: 'log', range, exponentformat: 'e', dtick: Math.max(1, Math.ceil(decades / 4)) }
		: { type: 'log', range, tickformat: '~g', dtick: 'D2' };
}

/** Deepest end of an axis of errors below the median of all values, in powers of ten. */
const DEEPEST = 6;

/**
 * Returns the range of a logarithmic axis of errors and their bounds, in powers of ten, with room for dots at both
 * ends. Limits its depth, so that a dead channel's bound of 1e-44 does not flatten all other values.
 */
export function errorDecades(errors: ArrayLike<number>, bounds: ArrayLike<number>): readonly [number, number] {
	const sizes = Float64Array.from([...Array.from(errors), ...Array.from(bounds)])
		.filter((value) => value > 0 && Number.isFinite(value))
		.map(Math.log10)
		.sort();
	const [low, middle, high] = [sizes[0], sizes[sizes.length >> 1], sizes.at(-1)];
	if (low === undefined || middle === undefined || high === undefined) {
		return [-9, -5];
	}
	return [Math.floor(Math.max(low, middle - DEEPEST) - 0.2), Math.ceil(high + 0.1)];
}

/** Returns the axis of channels: whole numbers with half a channel of room at both ends. */
export function channelAxis(theme: Theme, size: number, title: string): Axis {
	return axis(theme, {
		title: { text: title, standoff: 6 },
		range: [-0.5, Math.max(size, 1) - 0.5],
		showgrid: false,
		zeroline: false,
		tickformat: ',d',
		...(size <= 10 ? { dtick: 1 } : {}),
		ticks: 'outside',
		ticklen: 4,
	});
}
