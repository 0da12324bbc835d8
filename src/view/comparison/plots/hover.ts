import type { LayerComparison } from '../../../core/report/comparison.js';
import type { Hover, HoverValue } from '../../model/plots/hover.js';
import type { PointData } from '../../plots/plotly.js';
import { strings as shared } from '../../text/strings.js';
import { channelCount, isWrong } from '../facts.js';
import { strings } from '../strings.js';

/** What the pointer reads about a channel: numbers as data, words of ours in the template. */
export function comparedHover(layer: LayerComparison, values: readonly HoverValue[]): Hover {
	const lines = values.map(({ name }, i) => `<br>${name} %{customdata[${i + 1}]:.6~g}`);
	return {
		template: `${shared.plots.axisOf.channel} %{customdata[0]}${lines.join('')}%{customdata[${values.length + 1}]}<extra></extra>`,
		rows: Array.from({ length: channelCount(layer) }, (_, channel): PointData => {
			const numbers = values.map((series) => series.values[channel] ?? Number.NaN);
			return [channel, ...numbers, isWrong(layer, channel) ? `<br>${strings.plots.wrong}` : ''];
		}),
	};
}
