import type { Plotly } from '../plots/plotly.js';
import type { Theme } from '../plots/theme.js';
import type { ElementBuilder } from '../ui/dom.js';

/** A plot as a picture, in two formats. */
export interface PlotImage {
	/** File name without extension. */
	readonly name: string;
	readonly png: Uint8Array;
	/** Text of an SVG file. */
	readonly svg: string;
}

/** Requests of a page to its host. The page offers only those that the host implements. */
export interface PageActions {
	/** Stops the run or comparison under way. */
	cancel?(): void;
	saveImage?(image: PlotImage): void;
	showLog?(): void;
	/** Reports that the table is painted, or that the plots of a layer are drawn. */
	mark?(name: 'table' | 'plots'): void;
}

/** Services that the parts of a page share. */
export interface PageContext<Actions extends PageActions = PageActions> {
	readonly document: Document;
	readonly h: ElementBuilder;
	readonly actions: Actions;
	/** Returns the current theme, which is read once after each change. */
	theme(): Theme;
	/** Loads the plotting library, once. */
	plotly(): Promise<Plotly>;
	/** Lets screen readers say a text. */
	announce(text: string): void;
}
