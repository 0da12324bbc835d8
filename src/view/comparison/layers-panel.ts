import type { Comparison } from '../../core/report/comparison.js';
import { causeTitle } from '../../core/report/comparison-summary.js';
import { DataGrid } from '../data-grid.js';
import { setVisible } from '../dom.js';
import { fullLabel, label, sharedParts } from '../names.js';
import type { SortOrder } from '../state.js';
import { strings as shared } from '../strings.js';
import type { ComparisonContext } from './context.js';
import { type ComparedRow, comparisonColumns, filterCompared } from './layer-columns.js';
import type { ComparisonState } from './state.js';
import { strings } from './strings.js';

export interface ComparedLayersEvents {
	onOpen(index: number): void;
	onSort(sort: SortOrder): void;
	onFilter(filter: string): void;
}

/** The table of compared layers with its filter. */
export class ComparedLayers {
	readonly element: HTMLElement;
	readonly #grid: DataGrid<ComparedRow>;
	readonly #filter: HTMLInputElement;
	readonly #count: HTMLElement;
	readonly #none: HTMLElement;
	readonly #shared: HTMLElement;

	constructor(
		private readonly context: ComparisonContext,
		events: ComparedLayersEvents,
	) {
		const { h } = context;
		this.#filter = h('input', {
			class: 'bnl-input',
			bnl: 'filter',
			attributes: {
				type: 'search',
				placeholder: strings.layers.filter,
				'aria-label': shared.layers.filterLabel,
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
		this.#none = h('p', { class: 'bnl-muted bnl-none' }, shared.layers.none);
		this.#grid = new DataGrid<ComparedRow>({
			h,
			label: shared.layers.title,
			bnl: { table: 'layer-table', row: 'layer-row' },
			columns: [],
			renderAll: 300,
			key: (row) => row.index,
			rowData: ({ index, layer }) => ({ layer: String(index), status: layer.status }),
			rowLabel: ({ layer }) =>
				strings.layers.rowLabel(fullLabel(layer.name), strings.statuses[layer.status], causeTitle(layer)),
			onOpen: (row) => events.onOpen(row.index),
			onSort: (sort) => events.onSort(sort),
		});
		this.element = h(
			'section',
			{ class: 'bnl-layers', attributes: { 'aria-label': shared.layers.title } },
			h('div', { class: 'bnl-toolbar' }, this.#filter, this.#count, this.#shared),
			this.#grid.element,
			this.#none,
		);
	}

	/** A new comparison: its names decide on the columns. */
	setComparison({ layers }: Comparison): void {
		const parts = sharedParts(layers.map(({ name }) => name));
		this.#shared.textContent =
			parts.prefix || parts.suffix ? `${label(parts.prefix, 40)}…${label(parts.suffix, 40)}` : '';
		this.#grid.setColumns(comparisonColumns(this.context.h, parts));
	}

	update({ layers }: Comparison, state: ComparisonState): void {
		const rows = layers.map((layer, index) => ({ index, layer }));
		const filtered = filterCompared(rows, state.filter);
		if (this.#filter.value !== state.filter) {
			this.#filter.value = state.filter;
		}
		this.#count.textContent = shared.layers.shown(filtered.length, rows.length);
		setVisible(this.#none, filtered.length === 0 && rows.length > 0);
		const selected = layers.findIndex(({ name }) => name === state.layer);
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
}
