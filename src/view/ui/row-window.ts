import type { ElementBuilder } from './dom.js';
import { AFTER_PRINT, BEFORE_PRINT } from './printing.js';

/** Rows kept above and below the visible rows. */
const OVERSCAN = 8;
/** Height of a row before the first measurement, in CSS pixels. */
const ASSUMED_ROW = 26;
/** Height of the table before its layout, in CSS pixels. */
const ASSUMED_HEIGHT = 600;

export interface RowWindowOptions {
	readonly h: ElementBuilder;
	/** Element that scrolls. */
	readonly scroller: HTMLElement;
	readonly body: HTMLElement;
	/** Up to this many rows all are in the document. */
	readonly renderAll: number;
	render(index: number): HTMLTableRowElement;
}

/**
 * Keeps the rows in view and a few around them in the document; two spacer rows replace the rest. All rows are equally
 * high.
 */
export class RowWindow {
	readonly #before: HTMLTableRowElement;
	readonly #after: HTMLTableRowElement;
	/** Position -> row in the document. */
	readonly #rendered = new Map<number, HTMLTableRowElement>();
	#count = 0;
	#rowHeight = ASSUMED_ROW;
	/** True while the page is printed, which shows all rows. */
	#isPrinting = false;

	readonly #options: RowWindowOptions;

	constructor(options: RowWindowOptions) {
		this.#options = options;
		const { h, body, scroller } = options;
		const spacer = (): HTMLTableRowElement => h('tr', { class: 'bnl-spacer', attributes: { 'aria-hidden': 'true' } });
		this.#before = spacer();
		this.#after = spacer();
		body.append(this.#before, this.#after);
		scroller.addEventListener(BEFORE_PRINT, () => this.#print(true));
		scroller.addEventListener(AFTER_PRINT, () => this.#print(false));
	}

	row(index: number): HTMLTableRowElement | undefined {
		return this.#rendered.get(index);
	}

	get rowsOnPage(): number {
		return Math.max(1, Math.floor(this.#height / this.#rowHeight) - 2);
	}

	/** Redraws a table of `count` rows; the scroll position stays. */
	reset(count: number): void {
		const top = this.#options.scroller.scrollTop;
		this.#count = count;
		for (const row of this.#rendered.values()) {
			row.remove();
		}
		this.#rendered.clear();
		this.#resizeSpacers({ first: 0, end: 0 });
		this.#options.scroller.scrollTop = top;
		this.update();
		this.#measure();
	}

	/** Adds and removes rows to fit the scroll position; rows that stay are not touched. */
	update(): void {
		const range = this.#range();
		for (const [index, row] of this.#rendered) {
			if (index < range.first || index >= range.end) {
				row.remove();
				this.#rendered.delete(index);
			}
		}
		let previous: Element = this.#before;
		for (let index = range.first; index < range.end; index++) {
			let row = this.#rendered.get(index);
			if (!row) {
				row = this.#options.render(index);
				this.#rendered.set(index, row);
				previous.after(row);
			}
			previous = row;
		}
		this.#resizeSpacers(range);
	}

	/** Scrolls as little as possible to show a row below a head of `headHeight` pixels. */
	reveal(index: number, headHeight: number): void {
		const top = index * this.#rowHeight;
		const visible = this.#height - headHeight;
		if (top < this.#options.scroller.scrollTop) {
			this.#options.scroller.scrollTop = top;
		} else if (top + this.#rowHeight > this.#options.scroller.scrollTop + visible) {
			this.#options.scroller.scrollTop = top + this.#rowHeight - visible;
		}
		this.update();
	}

	#print(isPrinting: boolean): void {
		this.#isPrinting = isPrinting;
		this.update();
	}

	get #height(): number {
		return this.#options.scroller.clientHeight || ASSUMED_HEIGHT;
	}

	#range(): { first: number; end: number } {
		if (this.#isPrinting || this.#count <= this.#options.renderAll) {
			return { first: 0, end: this.#count };
		}
		const top = Math.floor(this.#options.scroller.scrollTop / this.#rowHeight);
		const first = Math.max(0, Math.min(top - OVERSCAN, this.#count - 1));
		const end = Math.min(this.#count, top + Math.ceil(this.#height / this.#rowHeight) + OVERSCAN);
		return { first, end };
	}

	#resizeSpacers({ first, end }: { first: number; end: number }): void {
		this.#before.style.height = `${first * this.#rowHeight}px`;
		this.#after.style.height = `${(this.#count - end) * this.#rowHeight}px`;
	}

	/** Measures a row's height, which depends on zoom and fonts. */
	#measure(): void {
		const [row] = this.#rendered.values();
		const height = row?.getBoundingClientRect().height ?? 0;
		if (height > 0 && Math.abs(height - this.#rowHeight) > 0.1) {
			this.#rowHeight = height;
			this.update();
		}
	}
}
