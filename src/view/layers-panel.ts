import type { Report } from '../core/report/types.js';
import type { ViewContext } from './context.js';
import { DataGrid } from './data-grid.js';
import { setVisible } from './dom.js';
import { badges } from './finding-words.js';
import { filterLayers, type LayerRow, layerColumns } from './layer-columns.js';
import { fullLabel, label, sharedParts } from './names.js';
import type { SortOrder, ViewState } from './state.js';
import { strings } from './strings.js';

export interface LayersEvents {
	onOpen(index: number): void;
	onSort(sort: SortOrder): void;
	onFilter(filter: string): void;
	onScroll(): void;
}

/** The table of layers with its filter. */
export class LayersPanel {
	readonly element: HTMLElement;
	readonly #grid: DataGrid<LayerRow>;
	readonly #filter: HTMLInputElement;
	readonly #count: HTMLElement;
	readonly #none: HTMLElement;
	readonly #shared: HTMLElement;
	/** The names that the columns were made for. */
	#names: readonly string[] = [];

	constructor(
		private readonly context: ViewContext,
		events: LayersEvents,
	) {
		const { h } = context;
		this.#filter = h('input', {
			class: 'bnl-input',
			bnl: 'filter',
			attributes: {
				type: 'search',
				placeholder: strings.layers.filter,
				'aria-label': strings.layers.filterLabel,
				spellcheck: 'false',
			},
			on: {
				input: () => events.onFilter(this.#filter.value),
				keydown: (event) => {
					const [first] = this.#grid.rows;
					if (event.key === 'ArrowDown' && first) {
						event.preventDefault();
						this.#grid.focus(first.index);
					}
				},
			},
		});
		this.#count = h('span', { class: 'bnl-muted bnl-count', bnl: 'filter-count', attributes: { role: 'status' } });
		this.#shared = h('span', { class: 'bnl-muted bnl-shared' });
		this.#none = h('p', { class: 'bnl-muted bnl-none' }, strings.layers.none);
		this.#grid = new DataGrid<LayerRow>({
			h,
			label: strings.layers.title,
			bnl: { table: 'layer-table', row: 'layer-row' },
			columns: [],
			renderAll: 300,
			key: (row) => row.index,
			rowData: ({ index }) => ({ layer: String(index) }),
			rowLabel: ({ layer }) =>
				strings.layers.rowLabel(
					fullLabel(layer.name),
					strings.verdicts[layer.recompute.status],
					badges(layer.findings),
				),
			onOpen: (row) => events.onOpen(row.index),
			onSort: (sort) => events.onSort(sort),
			onScroll: () => events.onScroll(),
		});
		this.element = h(
			'section',
			{ class: 'bnl-layers', attributes: { 'aria-label': strings.layers.title } },
			h('div', { class: 'bnl-toolbar' }, this.#filter, this.#count, this.#shared),
			this.#grid.element,
			this.#none,
		);
	}

	update(report: Report, state: ViewState): void {
		this.#nameColumns(report);
		const rows = report.layers.map((layer, index) => ({ index, layer }));
		const filtered = filterLayers(rows, state.filter);
		if (this.#filter.value !== state.filter) {
			this.#filter.value = state.filter;
		}
		this.#count.textContent = strings.layers.shown(filtered.length, rows.length);
		setVisible(this.#none, filtered.length === 0 && rows.length > 0);
		const selected = report.layers.findIndex(({ name }) => name === state.layer);
		this.#grid.update(filtered, state.sort, selected < 0 ? null : selected);
	}

	/** Marks another layer as chosen. */
	select(index: number | null): void {
		this.#grid.select(index);
	}

	/** The layer before (-1) or after (1) another in the table's own order. */
	neighbour(index: number, direction: -1 | 1): number | null {
		const at = this.#grid.rows.findIndex((row) => row.index === index);
		return this.#grid.rows[at + direction]?.index ?? null;
	}

	reveal(index: number): void {
		this.#grid.reveal(index);
	}

	focusRow(index: number): void {
		this.#grid.focus(index);
	}

	get scrollTop(): number {
		return this.#grid.element.scrollTop;
	}

	set scrollTop(top: number) {
		this.#grid.element.scrollTop = top;
	}

	/** The columns depend on the names alone; layers that get their verdicts keep them. */
	#nameColumns({ layers }: Report): void {
		const names = layers.map(({ name }) => name);
		if (names.length === this.#names.length && names.every((name, i) => name === this.#names[i])) {
			return;
		}
		this.#names = names;
		const shared = sharedParts(names);
		this.#shared.textContent =
			shared.prefix || shared.suffix ? `${label(shared.prefix, 40)}…${label(shared.suffix, 40)}` : '';
		this.#grid.setColumns(layerColumns(this.context.h, shared));
	}
}
