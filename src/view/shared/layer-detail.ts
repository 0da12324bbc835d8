import type { Child, ElementBuilder } from '../ui/dom.js';
import type { ChannelTableEvents } from './channel-table.js';
import type { DetailHeadEvents } from './detail-head.js';
import type { LayerChoice } from './stored-state.js';

/** Requests of the detail of a layer to its page. */
export interface DetailEvents extends DetailHeadEvents, ChannelTableEvents {}

/** Position of a layer among all, both counted in the report. */
export interface LayerPlace {
	/** From 0. */
	readonly index: number;
	readonly all: number;
}

/** The pane that shows one layer. */
export interface LayerDetailPane<Layer, State extends LayerChoice> {
	readonly element: HTMLElement;
	/** Shows a layer, or a newer report on the same layer. */
	show(layer: Layer, place: LayerPlace, state: State): void;
	selectChannel(state: State): void;
	/** Applies another order or filter of the channel table. */
	updateTable(state: State): void;
	/** Draws the plots again, after the theme changed. */
	redraw(): void;
	/** Stops drawing, because the detail is closed. */
	hide(): void;
	dispose(): void;
}

/** A part of the detail under a heading. */
export function section(h: ElementBuilder, title: string, ...children: readonly Child[]): HTMLElement {
	return h('section', { class: 'bnl-section' }, h('h3', {}, title), ...children);
}
