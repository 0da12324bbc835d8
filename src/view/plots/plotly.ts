/** The part of plotly.js that the view uses, as a port: the entry points decide how the library gets there. */
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

/** The element that plotly drew into; it grows an event emitter. */
export interface PlotElement extends HTMLElement {
	on?(event: 'plotly_click', listener: (event: PlotEvent) => void): void;
	on?(event: 'plotly_relayout', listener: (update: Readonly<Record<string, unknown>>) => void): void;
}

export interface PlotEvent {
	readonly points: readonly { readonly customdata?: unknown }[];
}

/** What a hover label shows for a point: its channel first (also what a click chooses), then numbers and words of ours. */
export type PointData = readonly [channel: number, ...values: (number | string)[]];

export interface Trace {
	readonly type: 'bar' | 'scatter';
	readonly name: string;
	readonly x: readonly number[];
	readonly y: readonly (number | null)[];
	readonly customdata?: readonly PointData[];
	/** Numbers only: a model's own strings never go into a template. */
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

/** A drawing in plain data: what is drawn, what a screen reader says, and what should be said beside it. */
export interface Figure {
	readonly data: readonly Trace[];
	readonly layout: Layout;
	/** One sentence with the numbers that matter. */
	readonly summary: string;
	/** What is not shown as it is: samples, values that are not finite. */
	readonly notes: readonly string[];
	/** Shapes that mark a channel in this figure. */
	mark(channel: number): readonly Shape[];
}

export const PLOTLY_CONFIG = {
	displayModeBar: false,
	displaylogo: false,
	doubleClick: 'reset',
	// Resizing is ours: plotly listens to the window only, which misses panes that change width.
	responsive: false,
	scrollZoom: false,
} as const;
