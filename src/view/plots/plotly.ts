/** The part of plotly.js that the view uses. The entry points decide how to load the library. */
export interface Plotly {
	react(
		element: HTMLElement,
		data: readonly Trace[],
		layout: Layout,
		config: Readonly<Record<string, unknown>>,
	): Promise<unknown>;
	relayout(element: HTMLElement, update: Readonly<Record<string, unknown>>): Promise<unknown>;
	purge(element: HTMLElement): void;
	toImage(element: HTMLElement, options: Readonly<Record<string, unknown>>): Promise<string>;
	readonly Plots: { resize(element: HTMLElement): Promise<unknown> | undefined };
}

/** Plotly's element, with the event emitter that plotly adds. */
export interface PlotElement extends HTMLElement {
	on?(event: 'plotly_click', listener: (event: PlotEvent) => void): void;
	on?(event: 'plotly_relayout', listener: (update: Readonly<Record<string, unknown>>) => void): void;
}

export interface PlotEvent {
	readonly points: readonly { readonly customdata?: unknown }[];
}

/** Values in the hover label of a point: its channel, which a click chooses, then numbers and a remark. */
export type PointData = readonly [channel: number, ...values: (number | string)[]];

export interface Trace {
	readonly type: 'bar' | 'scatter';
	readonly name: string;
	readonly x: readonly number[];
	readonly y: readonly (number | null)[];
	readonly customdata?: readonly PointData[];
	/** Contains no strings from a model, because plotly would read them as part of the template. */
	readonly hovertemplate?: string;
	readonly hoverinfo?: 'skip';
	readonly mode?: 'lines' | 'markers';
	readonly fill?: 'tozeroy';
	readonly fillcolor?: string;
	readonly line?: Readonly<Record<string, unknown>>;
	readonly marker?: Readonly<Record<string, unknown>>;
	readonly xaxis?: string;
	readonly yaxis?: string;
	readonly showlegend?: boolean;
	readonly legendgroup?: string;
	readonly cliponaxis?: boolean;
}

export type Shape = Readonly<Record<string, unknown>>;
export type Layout = Readonly<Record<string, unknown>> & { readonly shapes: readonly Shape[] };

/** A drawing as plain data, with its words for screen readers and its notes. */
export interface Figure {
	readonly data: readonly Trace[];
	readonly layout: Layout;
	/** Sentence with the most important numbers, for screen readers. */
	readonly summary: string;
	/** Sentences on values that the drawing omits or marks. */
	readonly notes: readonly string[];
	/** True if the x axis counts channels, so that it zooms together with those of the other figures. */
	readonly isOverChannels?: true;
	/** Returns the shapes that mark a channel. */
	mark(channel: number): readonly Shape[];
}

export const PLOTLY_CONFIG = {
	displayModeBar: false,
	displaylogo: false,
	doubleClick: 'reset',
	// The panel resizes its plot: plotly listens to the window only and misses panes that change width.
	responsive: false,
	scrollZoom: false,
} as const;
