import type { PointData } from './plotly.js';

/** Text that the pointer shows for a channel; all traces of a figure share it. */
export interface Hover {
	/** Words and number formats only. Names from a model are data, so that plotly does not read them as a template. */
	readonly template: string;
	/** Returns a channel's row: the channel, the values in the order of the template, a remark or ''. */
	readonly row: (channel: number) => PointData;
}

/** A named value of every channel. */
export interface HoverValue {
	readonly name: string;
	/** Indexed by channel. */
	readonly values: ArrayLike<number>;
}

interface HoverOptions {
	/** Word before the channel's index. */
	readonly axis: string;
	readonly values: readonly HoverValue[];
	/** Line below the values of a channel, beginning with "<br>"; '' for none. */
	remark(channel: number): string;
}

/** Lists channel, values and remark. Numbers stay numbers, because formatting 10,000 of them costs more than the plot. */
export function hoverOf({ axis, values, remark }: HoverOptions): Hover {
	const lines = values.map(({ name }, i) => `<br>${name} %{customdata[${i + 1}]:.6~g}`);
	return {
		template: `${axis} %{customdata[0]}${lines.join('')}%{customdata[${values.length + 1}]}<extra></extra>`,
		row: (channel) => {
			const numbers = values.map((series) => series.values[channel] ?? Number.NaN);
			return [channel, ...numbers, remark(channel)];
		},
	};
}
