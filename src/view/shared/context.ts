import type { RunChoices } from '../../core/report/run-choices.js';
import type { ViewState } from '../model/state.js';
import type { Plotly } from '../plots/plotly.js';
import type { Theme } from '../plots/theme.js';
import type { ElementBuilder } from '../ui/dom.js';

/** A plot as a picture, in the formats to choose from. */
export interface PlotImage {
	/** For a file, without extension. */
	readonly name: string;
	readonly png: Uint8Array;
	/** The text of an SVG file. */
	readonly svg: string;
}

/** What a page can ask of the world around it. Missing ones are not offered. */
export interface ViewActions {
	cancel?(): void;
	/** Run again: as before, or as chosen. */
	run?(choices?: RunChoices): void;
	/** Let the user choose what an input is fed. */
	chooseFiles?(input: string, from: 'files' | 'folder' | 'random'): void;
	/** Let the user say whether the workspace can be trusted. */
	manageTrust?(): void;
	/** Let the user choose a model to compare this one with. */
	compare?(): void;
	saveImage?(image: PlotImage): void;
	showLog?(): void;
	/** Another layer is open, by its place in the report, or none. */
	layerChosen?(index: number | null): void;
	/** The user changed what is shown; store it to restore it later. */
	stateChanged?(state: ViewState): void;
	/** The table is painted; every verdict is in; the plots of a layer are drawn. */
	mark?(name: 'table' | 'verdicts' | 'plots'): void;
	error?(message: string): void;
}

/** Shared by the parts of one page. */
export interface ViewContext {
	readonly document: Document;
	readonly h: ElementBuilder;
	readonly actions: ViewActions;
	/** The current theme, read once and again after it changed. */
	theme(): Theme;
	/** Loads the plotting library, once. */
	plotly(): Promise<Plotly>;
	/** Says something to screen readers. */
	announce(text: string): void;
}
