import { rangeOf } from '../../../core/numbers/arrays.js';
import type { LayerComparison } from '../../../core/report/comparison.js';
import { formatNumber } from '../../../core/text/numbers.js';
import { axis, baseLayout, channelAxis, errorDecades, logAxis } from '../../plots/base.js';
import type { Figure, Trace } from '../../plots/plotly.js';
import type { Theme } from '../../plots/theme.js';
import { channelLine, channelsWhere, channelTrace, horizontalLine, marks } from '../../plots/traces.js';
import { strings as shared } from '../../text/strings.js';
import { channelCount } from '../facts.js';
import { strings } from '../strings.js';
import { comparedHover } from './hover.js';

/** |found - expected| bias of each channel, logarithmic, under the bound that rounding allows. No dot: exact. */
export function biasFigure(layer: LayerComparison, theme: Theme): Figure | null {
	const { biasError, biasBound } = layer.perChannel;
	if (biasError.length === 0) {
		return null;
	}
	const errors = biasError.map(Math.abs);
	const bounds = biasBound ?? new Float64Array(errors.length).fill(layer.bound ?? Number.NaN);
	const range = errorDecades(errors, bounds);
	const over = channelsWhere(errors, (error, channel) => error > (bounds[channel] ?? Number.POSITIVE_INFINITY));
	const bad = channelsWhere(errors, (error) => !Number.isFinite(error));
	return {
		data: traces(layer, { errors, bounds, over, bad, floor: 10 ** range[0] }, theme),
		layout: baseLayout(theme, {
			xaxis: channelAxis(theme, channelCount(layer), shared.plots.axisOf.channel),
			yaxis: axis(theme, {
				title: { text: strings.plots.biasError, standoff: 4 },
				fixedrange: true,
				...logAxis(range),
			}),
			// A stepped line of one point has no length.
			shapes: bounds.length === 1 ? [horizontalLine(bounds[0] ?? 0, 'y', theme)] : [],
		}),
		summary: strings.plots.biasSummary(
			formatNumber(rangeOf(errors).max, 3),
			formatNumber(rangeOf(bounds).max, 3),
			over.length,
		),
		notes: bad.length > 0 ? [shared.plots.hidden(bad.length)] : [],
		mark: (channel) => [channelLine(channel, theme)],
	};
}

interface BiasValues {
	readonly errors: Float64Array;
	readonly bounds: Float64Array;
	readonly over: readonly number[];
	readonly bad: readonly number[];
	/** Where to mark what has no place on the axis. */
	readonly floor: number;
}

function traces(layer: LayerComparison, { errors, bounds, over, bad, floor }: BiasValues, theme: Theme): Trace[] {
	const { expectedBias, foundBias } = layer.perChannel;
	const hover = comparedHover(layer, [
		{ name: strings.plots.biasError, values: errors },
		{ name: strings.plots.bound, values: bounds },
		...(expectedBias ? [{ name: strings.plots.biasExpected, values: expectedBias }] : []),
		...(foundBias ? [{ name: strings.plots.biasFound, values: foundBias }] : []),
	]);
	const drawable = (value: number): boolean => value > 0 && Number.isFinite(value);
	const point = (channel: number) => {
		const error = errors[channel] ?? Number.NaN;
		return { channel, x: channel, y: drawable(error) ? Math.max(error, floor) : floor };
	};
	const series = (name: string, values: Float64Array, colour: string): Trace =>
		channelTrace({ name, values, colour, as: 'dots', hover }, theme, drawable);
	const { hovertemplate: _, ...dots } = series(strings.plots.biasError, errors, theme.first);
	const { marker: __, ...line } = series(strings.plots.bound, bounds, theme.flag);
	return [
		// The bound is there for every channel, so it alone answers the pointer: an exact channel has no dot to hover.
		{ ...dots, hoverinfo: 'skip' },
		{ ...line, mode: 'lines', line: { shape: 'hvh', width: 1.5, color: theme.flag } },
		...marks(over.map(point), { name: strings.plots.wrong, colour: theme.error, symbol: 'diamond-open', hover }),
		...marks(bad.map(point), { name: shared.plots.notFinite, colour: theme.error, symbol: 'x-thin', hover }),
	];
}
