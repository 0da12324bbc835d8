import { label } from '../text/names.js';
import { strings } from '../text/strings.js';
import type { Child, ElementBuilder } from '../ui/dom.js';
import { pressChips } from './channel-chips.js';
import type { ChannelChoice, ChannelTableEvents, ChannelTableOptions } from './channel-table.js';
import { ChannelViews } from './channel-views.js';
import type { PageContext } from './context.js';
import { DetailHead, type DetailHeadEvents } from './detail-head.js';
import type { PlotDefinition } from './plot-panel.js';
import type { LayerChoice } from './stored-state.js';

/** Requests of the detail of a layer to its page. */
export interface DetailEvents extends DetailHeadEvents, ChannelTableEvents {}

/** Position of a layer among all, both counted in the report. */
export interface LayerPlace {
	/** From 0. */
	readonly index: number;
	readonly all: number;
}

/** Part of the detail that differs between the pages. */
export interface DetailContent<Layer> {
	/** Elements below the head, among them the channel views. */
	readonly elements: readonly HTMLElement[];
	/** Element with the buttons of channels. */
	readonly chips: HTMLElement;
	/** Lists the facts in the head. */
	factsOf(layer: Layer): readonly string[];
	/** Opens the explanation of the layer and scrolls to it. */
	reveal?(): void;
	/** Fills the elements. Returns false if the layer has no values per channel. */
	show(layer: Layer): boolean;
}

/** Elements that show the channels of a layer. */
export type ChannelElements<Layer extends { readonly name: string }> = Pick<
	ChannelViews<Layer>,
	'readout' | 'plots' | 'table'
>;

export interface DetailOptions<Layer extends { readonly name: string }, State extends LayerChoice> {
	readonly plots: readonly PlotDefinition<Layer>[];
	readonly table: ChannelTableOptions<Layer>;
	/** Returns true if the channel table shows only marked channels. */
	onlyMarked(state: State): boolean;
	createContent(channels: ChannelElements<Layer>): DetailContent<Layer>;
}

/** The pane that shows the open layer: head, the content of its page, and the channels. */
export class LayerDetail<Layer extends { readonly name: string }, State extends LayerChoice> {
	readonly element: HTMLElement;
	readonly #options: DetailOptions<Layer, State>;
	readonly #head: DetailHead;
	readonly #channels: ChannelViews<Layer>;
	readonly #content: DetailContent<Layer>;

	constructor(context: PageContext, events: DetailEvents, options: DetailOptions<Layer, State>) {
		const { h } = context;
		this.#options = options;
		this.#head = new DetailHead(h, events);
		this.#channels = new ChannelViews(context, options.plots, options.table, events);
		this.#content = options.createContent(this.#channels);
		const { elements } = this.#content;
		this.element = h('section', { class: 'bnl-detail', bnl: 'detail' }, this.#head.element, ...elements);
	}

	/** Shows a layer, or a newer report on the same layer. */
	show(layer: Layer, place: LayerPlace, state: State): void {
		this.element.dataset.layer = String(place.index);
		this.element.setAttribute('aria-label', strings.detail.label(label(layer.name)));
		this.#head.show(layer.name, this.#content.factsOf(layer), place);
		const hasChannels = this.#content.show(layer);
		pressChips(this.#content.chips, state.channel);
		if (hasChannels) {
			this.#channels.show(layer, this.#choiceOf(state));
		} else {
			this.#channels.hide();
		}
	}

	/** Scrolls to the explanation of the layer, if the page has it. */
	reveal(): void {
		this.#content.reveal?.();
	}

	selectChannel(state: State): void {
		this.#channels.select(this.#choiceOf(state));
		pressChips(this.#content.chips, state.channel);
	}

	/** Applies another order or filter of the channel table. */
	updateTable(state: State): void {
		this.#channels.updateTable(this.#choiceOf(state));
	}

	/** Draws the plots again, after the theme changed. */
	redraw(): void {
		this.#channels.redraw();
	}

	/** Stops drawing, because the detail is closed. */
	hide(): void {
		this.#channels.hide();
	}

	dispose(): void {
		this.#channels.dispose();
	}

	#choiceOf(state: State): ChannelChoice {
		return { channel: state.channel, sort: state.channelSort, onlyMarked: this.#options.onlyMarked(state) };
	}
}

/** A part of the detail under a heading. */
export function section(h: ElementBuilder, title: string, ...children: readonly Child[]): HTMLElement {
	return h('section', { class: 'bnl-section' }, h('h3', {}, title), ...children);
}
