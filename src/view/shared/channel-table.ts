import { columnFormatter, formatInteger, formatNumber } from '../../core/text/numbers.js';
import { strings } from '../text/strings.js';
import type { Handle } from '../ui/attributes.js';
import { type Column, DataGrid } from '../ui/data-grid.js';
import { append, type ElementBuilder, replaceChildren, setVisible } from '../ui/dom.js';
import type { SortOrder } from '../ui/sorting.js';

/** Differences between the channel tables of both pages. */
export interface ChannelTableOptions<Layer> {
	/** Title and description of each column, by its id. */
	readonly titles: Readonly<Record<string, readonly [title: string, description: string]>>;
	/** Significant digits of the numbers in the readout. */
	readonly digits: number;
	/** Checkbox that leaves only marked channels in the table. */
	readonly onlyMarked: { readonly text: string; readonly bnl?: Handle };
	/** Number of channels. */
	size(layer: Layer): number;
	/** Arrays indexed by channel, under the ids of their columns. Missing arrays are left out. */
	series(layer: Layer): ReadonlyMap<string, ArrayLike<number>>;
	/** Columns behind the series. */
	extraColumns?(layer: Layer): readonly Column<number>[];
	isMarked(layer: Layer, channel: number): boolean;
	/** Name of a channel in a sentence. */
	name(layer: Layer, channel: number): string;
	/** Label of a row for screen readers. */
	rowLabel(layer: Layer, channel: number): string;
	/** Data attributes of a row beside its channel. */
	rowData?(layer: Layer, channel: number): Readonly<Record<string, string>>;
}

export interface ChannelTableEvents {
	onChannel(channel: number | null): void;
	onChannelSort(sort: SortOrder): void;
	onOnlyMarked(onlyMarked: boolean): void;
}

/** The user's choices that concern the table. */
export interface ChannelChoice {
	readonly channel: number | null;
	readonly sort: SortOrder;
	readonly onlyMarked: boolean;
}

/** Up to this many channels all rows are in the document. */
const RENDER_ALL = 40;

/** Sortable table of the numbers behind the plots, and the readout of the chosen channel. */
export class ChannelTable<Layer> {
	readonly element: HTMLElement;
	readonly readout: HTMLElement;
	readonly #h: ElementBuilder;
	readonly #options: ChannelTableOptions<Layer>;
	readonly #events: ChannelTableEvents;
	readonly #grid: DataGrid<number>;
	readonly #onlyMarked: HTMLInputElement;
	readonly #onlyMarkedLabel: HTMLElement;
	readonly #count: HTMLElement;
	#shown: { readonly layer: Layer; readonly choice: ChannelChoice } | null = null;
	/** True if the rows belong to an earlier layer or choice. */
	#stale = false;

	constructor(h: ElementBuilder, options: ChannelTableOptions<Layer>, events: ChannelTableEvents) {
		this.#h = h;
		this.#options = options;
		this.#events = events;
		this.#grid = this.#createGrid();
		this.#onlyMarked = h('input', {
			...(options.onlyMarked.bnl && { bnl: options.onlyMarked.bnl }),
			attributes: { type: 'checkbox' },
			on: { change: () => events.onOnlyMarked(this.#onlyMarked.checked) },
		});
		this.#onlyMarkedLabel = h('label', { class: 'bnl-checkbox' }, this.#onlyMarked, options.onlyMarked.text);
		this.#count = h('span', { class: 'bnl-muted' });
		this.element = h(
			'div',
			{ class: 'bnl-channel-table' },
			h('div', { class: 'bnl-toolbar' }, this.#onlyMarkedLabel, this.#count),
			this.#grid.element,
		);
		this.readout = h('div', { class: 'bnl-readout', bnl: 'channel-readout' });
	}

	/** Shows the readout; the rows follow with `render`. */
	show(layer: Layer, choice: ChannelChoice): void {
		this.#shown = { layer, choice };
		this.#stale = true;
		this.#showReadout(layer, choice.channel);
	}

	/** Builds the rows of the layer if they are stale. Takes longer than all the rest of a detail. */
	render(): void {
		if (!this.#stale || !this.#shown) {
			return;
		}
		const { layer, choice } = this.#shown;
		const { series, size, isMarked } = this.#options;
		this.#stale = false;
		const all = Array.from({ length: series(layer).size > 0 ? size(layer) : 0 }, (_, channel) => channel);
		const marked = all.filter((channel) => isMarked(layer, channel));
		const filtered = choice.onlyMarked && marked.length > 0;
		const rows = filtered ? marked : all;
		this.#onlyMarked.checked = filtered;
		setVisible(this.#onlyMarkedLabel, marked.length > 0);
		this.#count.textContent = strings.channel.shown(rows.length, all.length);
		setVisible(this.element, all.length > 0);
		this.#grid.setColumns(this.#columns(layer));
		this.#grid.update(rows, choice.sort, choice.channel);
	}

	/** Moves the choice to another channel of the same layer. */
	select(choice: ChannelChoice): void {
		if (!this.#shown) {
			return;
		}
		const { layer } = this.#shown;
		this.#shown = { layer, choice };
		if (!this.#stale) {
			this.#grid.select(choice.channel);
			if (choice.channel !== null) {
				this.#grid.reveal(choice.channel);
			}
		}
		this.#showReadout(layer, choice.channel);
	}

	#createGrid(): DataGrid<number> {
		const { rowData, rowLabel } = this.#options;
		return new DataGrid<number>({
			h: this.#h,
			label: strings.detail.table,
			bnl: { table: 'channel-table', row: 'channel-row' },
			columns: [],
			renderAll: RENDER_ALL,
			key: (channel) => channel,
			rowData: (channel) => ({
				channel: String(channel),
				...(this.#shown && rowData?.(this.#shown.layer, channel)),
			}),
			rowLabel: (channel) => (this.#shown ? rowLabel(this.#shown.layer, channel) : ''),
			onOpen: (channel) => this.#events.onChannel(channel),
			onSort: (sort) => this.#events.onChannelSort(sort),
		});
	}

	#columns(layer: Layer): readonly Column<number>[] {
		const columns = [this.#column('channel', (channel) => channel, formatInteger)];
		for (const [id, values] of this.#options.series(layer)) {
			columns.push(this.#column(id, (channel) => values[channel] ?? Number.NaN, columnFormatter(values)));
		}
		return [...columns, ...(this.#options.extraColumns?.(layer) ?? [])];
	}

	#column(id: string, value: (channel: number) => number, format: (value: number) => string): Column<number> {
		const [title, description] = this.#options.titles[id] ?? [id, id];
		return {
			id,
			title,
			description,
			kind: 'number',
			priority: 1,
			value,
			render: (channel, cell) => {
				cell.textContent = format(value(channel));
			},
		};
	}

	#showReadout(layer: Layer, channel: number | null): void {
		const h = this.#h;
		const { series, size, titles, digits, name } = this.#options;
		const values = series(layer);
		replaceChildren(this.readout);
		delete this.readout.dataset.channel;
		setVisible(this.readout, values.size > 0);
		if (channel === null || channel >= size(layer)) {
			append(this.readout, [h('span', { class: 'bnl-muted' }, strings.channel.readoutHint)]);
			return;
		}
		this.readout.dataset.channel = String(channel);
		const pairs = [...values].map(([id, array]) => {
			const title = h('dt', {}, titles[id]?.[0] ?? id);
			return h('div', { class: 'bnl-pair' }, title, h('dd', {}, formatNumber(array[channel] ?? Number.NaN, digits)));
		});
		const clear = { attributes: { type: 'button' }, on: { click: () => this.#events.onChannel(null) } };
		append(this.readout, [
			h('strong', {}, name(layer, channel)),
			h('dl', { class: 'bnl-pairs' }, ...pairs),
			h('button', { class: 'bnl-link', ...clear }, strings.channel.clear),
		]);
	}
}
