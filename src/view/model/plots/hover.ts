import { findingWords } from '../../../core/report/findings.js';
import type { LayerReport } from '../../../core/report/types.js';
import type { PointData } from '../../plots/plotly.js';
import { layerFacts } from '../../shared/layer-facts.js';
import { strings } from '../../text/strings.js';

/** What the pointer reads about a channel; its rows are shared by all traces of a figure. */
export interface Hover {
	/** Words and formats only: what comes from a model is data, which plotly does not read as a template. */
	readonly template: string;
	/** A row a channel: channel, the values in the order of the template, the names of its findings. */
	readonly rows: readonly PointData[];
}

export interface HoverValue {
	readonly name: string;
	/** One value a channel. */
	readonly values: ArrayLike<number>;
}

/** Numbers stay numbers: formatting ten thousand of them for one that is looked at would cost more than the plot. */
export function channelHover(layer: LayerReport, values: readonly HoverValue[]): Hover {
	const { flags, size } = layerFacts(layer);
	const channel = `${strings.plots.axisOf[layer.axes]} %{customdata[0]}`;
	const lines = values.map(({ name }, i) => `<br>${name} %{customdata[${i + 1}]:.6~g}`);
	return {
		template: `${channel}${lines.join('')}%{customdata[${values.length + 1}]}<extra></extra>`,
		rows: Array.from({ length: size }, (_, c): PointData => {
			const found = flags.get(c) ?? [];
			const names = found.map((finding) => `<br>${findingWords(finding).badge}`).join('');
			return [c, ...values.map((series) => series.values[c] ?? Number.NaN), names];
		}),
	};
}
