import type { Handle } from './attributes.js';
import { type ElementBuilder, replaceChildren } from './dom.js';
import { sortIcon } from './icons.js';
import { RowWindow } from './row-window.js';
import { type SortOrder, type SortValue, sortRows } from './sorting.js';

/** A column. Priority 1 is always shown; a narrow table hides higher priorities (page.css). */
export interface Column<Row> {
	readonly id: string;
	readonly title: string;
	readonly description: string;
	readonly kind: 'text' | 'number';
	readonly priority: 1 | 2 | 3 | 4;
	render(row: Row, cell: HTMLTableCellElement): void;
	value(row: Row): SortValue;
}

export interface GridOptions<Row> {
	readonly h: ElementBuilder;
	readonly label: string;
	readonly bnl: { readonly table: Handle; readonly row: Handle };
	readonly columns: readonly Column<Row>[];
	/** Up to this many rows all are in the document, where the editor's find widget sees them. */
	readonly renderAll: number;
	key(row: Row): number;
	/** Further data attributes of a row. */
	rowData(row: Row): Readonly<Record<string, string>>;
	rowLabel(row: Row): string;
	onOpen(row: Row): void;
	onSort(sort: SortOrder): void;
	onScroll?(): void;
}

/**
 * Table that stays fast at 10,000 rows. A single row is in the tab order (roving tabindex): arrows, Page keys, Home and
 * End move the focus, Enter and Space open the row. Selection and focus follow the key of a row, not its position.
 */
export class DataGrid<Row> {
	readonly element: HTMLElement;
	readonly #head: HTMLTableRowElement;
	readonly #table: HTMLTableElement;
	readonly #window: RowWindow;
	#columns: readonly Column<Row>[];
	#rows: readonly Row[] = [];
	#selected: number | null = null;
	/** Position of the row that has, or next gets, the focus. */
	#active = 0;

	readonly #options: GridOptions<Row>;

	constructor(options: GridOptions<Row>) {
		this.#options = options;
		const { h } = options;
		this.#columns = options.columns;
		this.#head = h('tr', { attributes: { 'aria-rowindex': '1' } });
		const body = h('tbody');
		this.#table = h(
			'table',
			{ class: 'bnl-grid', bnl: options.bnl.table, attributes: { role: 'grid', 'aria-label': options.label } },
			h('thead', {}, this.#head),
			body,
		);
		this.element = h(
			'div',
			{
				class: 'bnl-grid-scroller',
				attributes: { tabindex: '-1' },
				on: { scroll: () => this.#onScroll(), keydown: (event) => this.#onKey(event) },
			},
			this.#table,
		);
		this.#window = new RowWindow({
			h,
			scroller: this.element,
			body,
			renderAll: options.renderAll,
			render: (index) => this.#renderRow(index),
		});
	}

	/** Replaces rows, order and selection; scroll position and focus stay. */
	update(rows: readonly Row[], sort: SortOrder, selected: number | null): void {
		const { key } = this.#options;
		const standing = this.#rows[this.#active];
		const activeKey = standing === undefined ? selected : key(standing);
		const focused = this.#window.row(this.#active) === activeElement(this.element);
		const column = this.#columns.find(({ id }) => id === sort.by);
		this.#rows = column ? sortRows(rows, column.value, sort.descending) : rows;
		this.#selected = selected;
		this.#active = activeKey === null ? 0 : Math.max(0, this.#indexOf(activeKey));
		this.#renderHead(sort);
		this.#table.setAttribute('aria-rowcount', String(this.#rows.length + 1));
		this.#table.setAttribute('aria-colcount', String(this.#columns.length));
		this.#window.reset(this.#rows.length);
		if (focused) {
			this.#window.row(this.#active)?.focus({ preventScroll: true });
		}
	}

	/** Marks another row as chosen, without sorting or drawing rows again. */
	select(selected: number | null): void {
		for (const key of [this.#selected, selected]) {
			const row = key === null ? undefined : this.#window.row(this.#indexOf(key));
			row?.setAttribute('aria-selected', String(key === selected));
		}
		this.#selected = selected;
	}

	/** Replaces the columns, for example when batch statistics arrive after the run. The next update shows them. */
	setColumns(columns: readonly Column<Row>[]): void {
		this.#columns = columns;
	}

	/** Rows in the order in which they are shown. */
	get rows(): readonly Row[] {
		return this.#rows;
	}

	reveal(key: number): void {
		const index = this.#indexOf(key);
		if (index >= 0) {
			this.#setActive(index);
			this.#window.reveal(index, this.#head.getBoundingClientRect().height);
			this.#setActive(index);
		}
	}

	focus(key: number): void {
		this.reveal(key);
		this.#window.row(this.#active)?.focus({ preventScroll: true });
	}

	#indexOf(key: number): number {
		return this.#rows.findIndex((row) => this.#options.key(row) === key);
	}

	#renderHead(sort: SortOrder): void {
		const { h, onSort } = this.#options;
		const cells = this.#columns.map((column) => {
			const sorted = column.id === sort.by;
			const button = h(
				'button',
				{
					class: 'bnl-sort',
					attributes: { type: 'button', title: column.description },
					on: { click: () => onSort({ by: column.id, descending: sorted && !sort.descending }) },
				},
				h('span', {}, column.title),
				sorted && sortIcon(h, sort.descending),
			);
			const direction = sorted ? (sort.descending ? 'descending' : 'ascending') : 'none';
			return h('th', { class: cellClass(column), attributes: { scope: 'col', 'aria-sort': direction } }, button);
		});
		const sortedAt = this.#columns.findIndex(({ id }) => id === sort.by);
		const focusedAt = [...this.#head.cells].findIndex((cell) => cell.contains(activeElement(this.element)));
		replaceChildren(this.#head, ...cells);
		if (focusedAt >= 0 && focusedAt === sortedAt) {
			cells[focusedAt]?.querySelector('button')?.focus({ preventScroll: true });
		}
	}

	#renderRow(index: number): HTMLTableRowElement {
		const { h, key, bnl, rowData, rowLabel, onOpen } = this.#options;
		const row = this.#rows[index] as Row;
		const attributes = {
			'aria-rowindex': String(index + 2),
			'aria-selected': String(key(row) === this.#selected),
			'aria-label': rowLabel(row),
			tabindex: index === this.#active ? '0' : '-1',
		};
		const open = (): void => {
			this.#setActive(index);
			onOpen(row);
		};
		return h(
			'tr',
			{ class: 'bnl-row', bnl: bnl.row, data: rowData(row), attributes, on: { click: open } },
			...this.#columns.map((column) => {
				const cell = h('td', { class: cellClass(column) });
				column.render(row, cell);
				return cell;
			}),
		);
	}

	#setActive(index: number): void {
		this.#window.row(this.#active)?.setAttribute('tabindex', '-1');
		this.#active = Math.max(0, Math.min(index, this.#rows.length - 1));
		this.#window.row(this.#active)?.setAttribute('tabindex', '0');
	}

	#onScroll(): void {
		const focused = this.#window.row(this.#active) === activeElement(this.element);
		this.#window.update();
		if (focused && !this.#window.row(this.#active)) {
			// The focused row left the document; the table takes the focus so that keys keep working from there.
			this.element.focus({ preventScroll: true });
		}
		this.#options.onScroll?.();
	}

	#onKey(event: KeyboardEvent): void {
		if (event.altKey || event.ctrlKey || event.metaKey || event.target instanceof HTMLButtonElement) {
			return;
		}
		const page = this.#window.rowsOnPage;
		const moves: Readonly<Record<string, number>> = {
			ArrowDown: this.#active + 1,
			ArrowUp: this.#active - 1,
			PageDown: this.#active + page,
			PageUp: this.#active - page,
			Home: 0,
			End: this.#rows.length - 1,
		};
		const target = moves[event.key];
		const here = this.#rows[this.#active];
		if (target !== undefined) {
			const row = this.#rows[Math.max(0, Math.min(target, this.#rows.length - 1))];
			if (row !== undefined) {
				this.focus(this.#options.key(row));
			}
		} else if ((event.key === 'Enter' || event.key === ' ') && here !== undefined) {
			this.#options.onOpen(here);
		} else {
			return;
		}
		event.preventDefault();
	}
}

function cellClass<Row>(column: Column<Row>): string {
	return `bnl-col-${column.id} bnl-${column.kind} bnl-priority-${column.priority}`;
}

/** Returns the focused element. Inside a shadow root the document only knows the root's host. */
function activeElement(element: HTMLElement): Element | null {
	return (element.getRootNode() as Document | ShadowRoot).activeElement;
}
