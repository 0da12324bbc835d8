import type { LayerReport } from '../../core/report/types.js';
import { formatNumber } from '../../core/text/numbers.js';
import type { ViewContext } from '../shared/context.js';
import { channelName, layerFacts } from '../shared/layer-facts.js';
import { badges } from '../text/finding-words.js';
import { strings } from '../text/strings.js';
import { DataGrid } from '../ui/data-grid.js';
import { append, replaceChildren, setVisible } from '../ui/dom.js';
import { channelColumns, channelSeries } from './channel-columns.js';
import type { SortOrder, ViewState } from './state.js';

export interface ChannelTableEvents {
	onChannel(channel: number | null): void;
	onChannelSort(sort: SortOrder): void;
	onFlaggedOnly(flaggedOnly: boolean): void;
}

/** The numbers behind the plots, sortable, and the readout of the one channel that is chosen everywhere. */
export class ChannelTable {
	readonly element: HTMLElement;
	readonly readout: HTMLElement;
	readonly #grid: DataGrid<number>;
	readonly #flaggedOnly: HTMLInputElement;
	readonly #count: HTMLElement;
	readonly #flaggedLabel: HTMLElement;
	#shown: { readonly layer: LayerReport; readonly state: ViewState } | null = null;
	/** The rows do not show what they should. */
	#stale = false;

	constructor(
		private readonly context: ViewContext,
		private readonly events: ChannelTableEvents,
	) {
		const { h } = context;
		this.#grid = new DataGrid<number>({
			h,
			label: strings.detail.table,
			bnl: { table: 'channel-table', row: 'channel-row' },
			columns: [],
			renderAll: 40,
			key: (channel) => channel,
			rowData: (channel) => ({ channel: String(channel) }),
			rowLabel: (channel) => this.#label(channel),
			onOpen: (channel) => events.onChannel(channel),
			onSort: (sort) => events.onChannelSort(sort),
		});
		this.#flaggedOnly = h('input', {
			attributes: { type: 'checkbox' },
			on: { change: () => events.onFlaggedOnly(this.#flaggedOnly.checked) },
		});
		this.#flaggedLabel = h('label', { class: 'bnl-checkbox' }, this.#flaggedOnly, strings.channel.flaggedOnly);
		this.#count = h('span', { class: 'bnl-muted' });
		this.element = h(
			'div',
			{ class: 'bnl-channel-table' },
			h('div', { class: 'bnl-toolbar' }, this.#flaggedLabel, this.#count),
			this.#grid.element,
		);
		this.readout = h('div', { class: 'bnl-readout', bnl: 'channel-readout' });
	}

	/** Shows a layer; the rows follow with `render`. */
	show(layer: LayerReport, state: ViewState): void {
		this.#shown = { layer, state };
		this.#stale = true;
		this.#showReadout(layer, state.channel);
	}

	/** Brings the rows in line with the layer, unless they are. Takes longer than all the rest of a detail. */
	render(): void {
		if (!this.#stale || !this.#shown) {
			return;
		}
		const { layer, state } = this.#shown;
		this.#stale = false;
		const { size, flags } = layerFacts(layer);
		const all = Array.from({ length: channelSeries(layer).size > 0 ? size : 0 }, (_, channel) => channel);
		const filtered = state.flaggedOnly && flags.size > 0;
		const rows = filtered ? all.filter((channel) => flags.has(channel)) : all;
		this.#flaggedOnly.checked = filtered;
		setVisible(this.#flaggedLabel, flags.size > 0);
		this.#count.textContent = strings.channel.shown(rows.length, all.length);
		setVisible(this.element, all.length > 0);
		this.#grid.setColumns(channelColumns(layer));
		this.#grid.update(rows, state.channelSort, state.channel);
	}

	select(state: ViewState): void {
		if (!this.#shown) {
			return;
		}
		const { layer } = this.#shown;
		this.#shown = { layer, state };
		this.#showReadout(layer, state.channel);
		if (!this.#stale) {
			this.#grid.select(state.channel);
			if (state.channel !== null) {
				this.#grid.reveal(state.channel);
			}
		}
	}

	#label(channel: number): string {
		const layer = this.#shown?.layer;
		const found = (layer && layerFacts(layer).flags.get(channel)) ?? [];
		const name = channelName(layer?.axes ?? 'channel', channel);
		return found.length > 0 ? `${name}, ${badges(found)}` : name;
	}

	#showReadout(layer: LayerReport, channel: number | null): void {
		const { h } = this.context;
		replaceChildren(this.readout);
		delete this.readout.dataset.channel;
		const series = channelSeries(layer);
		setVisible(this.readout, series.size > 0);
		if (channel === null || channel >= layerFacts(layer).size) {
			append(this.readout, [h('span', { class: 'bnl-muted' }, strings.channel.readoutHint)]);
			return;
		}
		this.readout.dataset.channel = String(channel);
		const pairs = [...series].map(([id, values]) =>
			h(
				'div',
				{ class: 'bnl-pair' },
				h('dt', {}, strings.channel.columns[id]?.[0] ?? id),
				h('dd', {}, formatNumber(values[channel] ?? Number.NaN, 5)),
			),
		);
		append(this.readout, [
			h('strong', {}, channelName(layer.axes, channel)),
			h('dl', { class: 'bnl-pairs' }, ...pairs),
			h(
				'button',
				{
					class: 'bnl-link',
					attributes: { type: 'button' },
					on: { click: () => this.events.onChannel(null) },
				},
				strings.channel.clear,
			),
		]);
	}
}
