import { messageOf } from '../../core/text/sentences.js';
import type { Plotly } from '../plots/plotly.js';
import { readTheme, type Theme } from '../plots/theme.js';
import { fullLabel } from '../text/names.js';
import { strings } from '../text/strings.js';
import { elementBuilder, replaceChildren, setVisible } from '../ui/dom.js';
import { icon } from '../ui/icons.js';
import { preparePrints } from '../ui/printing.js';
import { themeKind, watchTheme } from '../ui/theme-watch.js';
import type { PageActions, PageContext } from './context.js';

export interface PageOptions<Actions extends PageActions> {
	/** Element that the page fills, in its own document. */
	readonly root: HTMLElement;
	readonly actions: Actions;
	/** Loads plotly.js. Called before the first plot, after the rest of the page is on screen. */
	loadPlotly(): Promise<Plotly>;
	/** "page": fills the window, panes scroll by themselves; "embedded": grows with its content. */
	readonly layout: 'page' | 'embedded';
	/** A state that `stateChanged` stored. */
	readonly state?: unknown;
}

/** Words that differ between the pages. */
export interface ShellWords {
	/** Sentence shown before the first content. */
	readonly opening: string;
	readonly failure: {
		/** Title of a page that only shows an error. */
		readonly title: string;
		/** Returns the sentence above content that an error leaves in place. */
		banner(message: string): string;
	};
	/** Value of `data-view`, for styles of this page. */
	readonly view?: string;
}

/** Report or comparison on a page. */
type PageContent = { readonly layers: readonly unknown[] };

/** Elements of a page, in the order of the page. */
export interface PageParts {
	readonly header: HTMLElement;
	/** Elements between the header and the layers. */
	readonly between: readonly HTMLElement[];
	readonly layers: HTMLElement;
	readonly detail: HTMLElement;
}

export interface PageEvents {
	/** Closes the detail. */
	onEscape(): void;
	/** Called after a change of the theme is in effect. */
	onTheme(): void;
}

/**
 * Outermost element of a page, with the services that its parts share. Shows a sentence before there is content, and
 * errors: above the content, or in its place while there is none.
 */
export class PageShell<Actions extends PageActions = PageActions> {
	readonly element: HTMLElement;
	readonly context: PageContext<Actions>;
	readonly #root: HTMLElement;
	readonly #loadPlotly: () => Promise<Plotly>;
	readonly #failureWords: ShellWords['failure'];
	readonly #live: HTMLElement;
	readonly #banner: HTMLElement;
	readonly #opening: HTMLElement;
	readonly #failure: HTMLElement;
	readonly #body: HTMLElement;
	#parts: PageParts | null = null;
	#theme: Theme | null = null;
	#plotly: Promise<Plotly> | null = null;
	#stopWatching: (() => void) | null = null;
	readonly #disposed = new AbortController();

	constructor({ root, actions, loadPlotly, layout }: PageOptions<Actions>, { opening, failure, view }: ShellWords) {
		const h = elementBuilder(root.ownerDocument);
		this.#root = root;
		this.#loadPlotly = loadPlotly;
		this.#failureWords = failure;
		this.#live = h('div', { class: 'bnl-live', bnl: 'live', attributes: { role: 'status', 'aria-live': 'polite' } });
		this.#banner = h('p', { class: 'bnl-banner', bnl: 'banner', attributes: { role: 'alert' } });
		this.#opening = h('p', { class: 'bnl-opening bnl-muted' }, opening);
		this.#failure = h('section', { class: 'bnl-failure', bnl: 'failure', attributes: { role: 'alert' } });
		this.#body = h('div', { class: 'bnl-body' });
		this.element = h('div', { class: 'bnl', bnl: 'page', data: { layout, ...(view && { view }) } });
		this.context = {
			document: root.ownerDocument,
			h,
			actions,
			theme: () => this.#readTheme(),
			plotly: () => this.#getPlotly(),
			announce: (text) => {
				this.#live.textContent = text;
			},
		};
	}

	/** Puts the page into its root; watches keys and theme. */
	show(parts: PageParts, { onEscape, onTheme }: PageEvents): void {
		this.#parts = parts;
		this.#body.append(parts.layers, parts.detail);
		this.element.append(this.#live, this.#banner, this.#opening, this.#failure);
		this.element.append(parts.header, ...parts.between, this.#body);
		this.element.addEventListener('keydown', (event) => {
			const isOpen = this.element.classList.contains('bnl-has-detail');
			if (event.key === 'Escape' && isOpen && !(event.target instanceof HTMLInputElement)) {
				event.preventDefault();
				onEscape();
			}
		});
		replaceChildren(this.#root, this.element);
		this.hasDetail = false;
		preparePrints(this.element, this.#disposed.signal);
		this.#applyTheme();
		this.#stopWatching = watchTheme(this.context.document, () => {
			this.#applyTheme();
			onTheme();
		});
	}

	/** Shows the elements that belong to the content. A failure without content takes the page. */
	update(content: PageContent | null): void {
		const hasFailed = this.#failure.childElementCount > 0;
		setVisible(this.#banner, this.#banner.textContent !== '');
		setVisible(this.#failure, hasFailed);
		setVisible(this.#opening, content === null && !hasFailed);
		setVisible(this.#body, (content?.layers.length ?? 0) > 0);
		if (this.#parts) {
			setVisible(this.#parts.header, content !== null);
		}
	}

	/** Shows an error about the models: above the content if there is some, else in its place. */
	showFailure(message: string, content: PageContent | null): void {
		if (content) {
			this.banner = this.#failureWords.banner(message);
		} else {
			this.failure = message;
		}
		this.update(content);
	}

	/** Shows an error of the page itself above the content. */
	showError(error: unknown): void {
		this.banner = strings.failure.unexpected(messageOf(error));
	}

	/** Removes the errors that are shown. */
	clearFailure(): void {
		this.banner = '';
		this.failure = '';
	}

	set opening(text: string) {
		this.#opening.textContent = text;
	}

	/** Warning above the page; '' removes it. */
	set banner(text: string) {
		this.#banner.textContent = fullLabel(text);
		setVisible(this.#banner, text !== '');
	}

	/** Sentence that is shown in place of the content; '' removes it. */
	set failure(message: string) {
		const { h } = this.context;
		if (message === '') {
			this.#failure.replaceChildren();
			return;
		}
		const text = h('div', {}, h('h1', {}, this.#failureWords.title), h('p', {}, fullLabel(message)));
		replaceChildren(this.#failure, icon(h, 'error', 'error'), text);
	}

	set hasDetail(shown: boolean) {
		if (this.#parts) {
			setVisible(this.#parts.detail, shown);
		}
		this.element.classList.toggle('bnl-has-detail', shown);
	}

	dispose(): void {
		this.#disposed.abort();
		this.#stopWatching?.();
		this.#root.replaceChildren();
	}

	#readTheme(): Theme {
		this.#theme ??= readTheme(this.element);
		return this.#theme;
	}

	#getPlotly(): Promise<Plotly> {
		this.#plotly ??= this.#loadPlotly().catch((error: unknown) => {
			// The next layer tries again.
			this.#plotly = null;
			throw error;
		});
		return this.#plotly;
	}

	#applyTheme(): void {
		this.#theme = null;
		this.element.dataset.theme = themeKind(this.context.document.body) ?? 'system';
	}
}
