import { type DistinctNames, label, sharedParts } from '../text/names.js';
import { strings } from '../text/strings.js';
import { type Column, DataGrid } from '../ui/data-grid.js';
import { type ElementBuilder, setVisible } from '../ui/dom.js';
import type { SortOrder } from '../ui/sorting.js';

/** A row of a table of layers: a layer and its position in the report. */
export interface Row<Layer> {
	readonly index: number;
	readonly layer: Layer;
}

/** Differences between the tables of a report and of a comparison. */
export interface LayersOptions<Layer> {
	/** Elements beside the filter. */
	readonly tools?: readonly HTMLElement[];
	/** Text in the empty filter. */
	readonly placeholder: string;
	/** @param shared parts of all names, which the name column leaves out. */
	columns(shared: DistinctNames): readonly Column<Row<Layer>>[];
	filter(rows: readonly Row<Layer>[], text: string): readonly Row<Layer>[];
	/** Attributes of a row beside its index. */
	rowData?(layer: Layer): Readonly<Record<string, string>>;
	/** Label of a row for screen readers. */
	rowLabel(layer: Layer): string;
}

export interface LayersEvents {
	onOpen(index: number): void;
	onSort(sort: SortOrder): void;
	onFilter(filter: string): void;
	onScroll?(): void;
}

/** The user's choices that concern the table. */
interface LayersState {
	readonly filter: string;
	readonly sort: SortOrder;
	/** Name of the open layer; null or undefined: none. */
	readonly layer: string | null | undefined;
}

/** Up to this many layers all are in the document, where the editor's find widget sees them. */
const RENDER_ALL = 300;
/** Maximum length of names' shared part above the table, in characters. */
const MAX_SHARED = 40;

/** The table of layers with its filter. */
export class LayersPanel<Layer extends { readonly name: string }> {
	readonly element: HTMLElement;
	readonly #options: LayersOptions<Layer>;
	readonly #grid: DataGrid<Row<Layer>>;
	readonly #filter: HTMLInputElement;
	readonly #count: HTMLElement;
	readonly #none: HTMLElement;
	readonly #shared: HTMLElement;
	/** Names of the layers that the columns were made for. */
	#names: readonly string[] = [];

	constructor(h: ElementBuilder, options: LayersOptions<Layer>, events: LayersEvents) {
		this.#options = options;
		this.#filter = h('input', {
			class: 'bnl-input',
			bnl: 'filter',
			attributes: {
				type: 'search',
				placeholder: options.placeholder,
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
		this.#grid = new DataGrid<Row<Layer>>({
			h,
			label: strings.layers.title,
			bnl: { table: 'layer-table', row: 'layer-row' },
			columns: [],
			renderAll: RENDER_ALL,
			key: (row) => row.index,
			rowData: ({ index, layer }) => ({ layer: String(index), ...options.rowData?.(layer) }),
			rowLabel: ({ layer }) => options.rowLabel(layer),
			onOpen: (row) => events.onOpen(row.index),
			onSort: (sort) => events.onSort(sort),
			onScroll: () => events.onScroll?.(),
		});
		this.element = h(
			'section',
			{ class: 'bnl-layers', attributes: { 'aria-label': strings.layers.title } },
			h('div', { class: 'bnl-toolbar' }, this.#filter, ...(options.tools ?? []), this.#count, this.#shared),
			this.#none,
			this.#grid.element,
		);
	}

	/** @param keep returns false for layers that the page leaves out beside the filter. */
	update(layers: readonly Layer[], state: LayersState, keep: (layer: Layer) => boolean = () => true): void {
		this.#nameColumns(layers);
		const rows = layers.map((layer, index) => ({ index, layer }));
		const filtered = this.#options.filter(
			rows.filter(({ layer }) => keep(layer)),
			state.filter,
		);
		if (this.#filter.value !== state.filter) {
			this.#filter.value = state.filter;
		}
		this.#count.textContent = strings.layers.shown(filtered.length, rows.length);
		const isNone = filtered.length === 0 && rows.length > 0;
		setVisible(this.#none, isNone);
		setVisible(this.#grid.element, !isNone);
		const selected = layers.findIndex(({ name }) => name === state.layer);
		this.#grid.update(filtered, state.sort, selected < 0 ? null : selected);
	}

	/** Marks another layer as chosen. */
	select(index: number | null): void {
		this.#grid.select(index);
	}

	/** Returns the index of the layer before (-1) or after (1) another in the order of the table. */
	neighbor(index: number, direction: -1 | 1): number | null {
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

	/** Makes columns for changed names; new verdicts keep them. */
	#nameColumns(layers: readonly Layer[]): void {
		const names = layers.map(({ name }) => name);
		if (names.length === this.#names.length && names.every((name, i) => name === this.#names[i])) {
			return;
		}
		this.#names = names;
		const shared = sharedParts(names);
		this.#shared.textContent =
			shared.prefix || shared.suffix
				? strings.layers.shared(`${label(shared.prefix, MAX_SHARED)}…${label(shared.suffix, MAX_SHARED)}`)
				: '';
		this.#grid.setColumns(this.#options.columns(shared));
	}
}
