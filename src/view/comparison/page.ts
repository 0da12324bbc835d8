import type { Comparison, LayerComparison } from '../../core/report/comparison.js';
import { stageWords } from '../../core/report/stages.js';
import { messageOf } from '../../core/text/sentences.js';
import type { Progress } from '../model/header.js';
import type { Plotly } from '../plots/plotly.js';
import { readTheme, type Theme } from '../plots/theme.js';
import { LayersPanel } from '../shared/layers-panel.js';
import { fullLabel, label } from '../text/names.js';
import { strings as shared } from '../text/strings.js';
import { type Child, elementBuilder, replaceChildren, setVisible } from '../ui/dom.js';
import { icon } from '../ui/icons.js';
import { themeKind, watchTheme } from '../ui/theme-watch.js';
import type { ComparisonActions, ComparisonContext } from './context.js';
import { ComparedDetail } from './detail.js';
import { firstWrong } from './facts.js';
import { ComparisonHeader } from './header.js';
import { comparedOptions } from './layer-columns.js';
import { type ComparisonState, INITIAL_COMPARISON_STATE, parseComparisonState } from './state.js';
import { strings } from './strings.js';

export interface ComparisonViewOptions {
	/** Where the page goes; it is emptied. Its document is the only one used. */
	readonly root: HTMLElement;
	readonly actions: ComparisonActions;
	/** Loads plotly.js; called once, when there is something to plot and everything else is on screen. */
	loadPlotly(): Promise<Plotly>;
	/** "page": fills the window, panes scroll by themselves; "embedded": grows with its content. */
	readonly layout: 'page' | 'embedded';
	/** A state as `stateChanged` gave it out, from storage. */
	readonly state?: unknown;
}

/** A comparison on screen. Every method may be called at any time, in any order. */
export class ComparisonView {
	readonly #context: ComparisonContext;
	readonly #page: HTMLElement;
	readonly #live: HTMLElement;
	readonly #banner: HTMLElement;
	readonly #opening: HTMLElement;
	readonly #failure: HTMLElement;
	readonly #body: HTMLElement;
	readonly #header: ComparisonHeader;
	readonly #layers: LayersPanel<LayerComparison>;
	readonly #detail: ComparedDetail;
	readonly #stopWatching: () => void;
	#state: ComparisonState;
	#comparison: Comparison | null = null;
	#theme: Theme | null = null;
	#plotly: Promise<Plotly> | null = null;

	constructor(private readonly options: ComparisonViewOptions) {
		const { root, layout } = options;
		this.#state = options.state === undefined ? INITIAL_COMPARISON_STATE : parseComparisonState(options.state);
		this.#context = this.#createContext(root.ownerDocument);
		const { h } = this.#context;
		this.#header = new ComparisonHeader(this.#context);
		this.#layers = new LayersPanel(this.#context.h, comparedOptions(this.#context.h), {
			onOpen: (index) => this.#open(index, true),
			onSort: (sort) => this.#change({ sort }),
			onFilter: (filter) => this.#change({ filter }),
		});
		this.#detail = new ComparedDetail(this.#context, {
			onClose: () => this.#close(),
			onStep: (direction) => this.#step(direction),
			onChannel: (channel) => this.#chooseChannel(channel),
			onChannelSort: (channelSort) => this.#changeTable({ channelSort }),
			onOnlyWrong: (onlyWrong) => this.#changeTable({ onlyWrong }),
		});
		this.#live = h('div', { class: 'bnl-live', bnl: 'live', attributes: { role: 'status', 'aria-live': 'polite' } });
		this.#banner = h('p', { class: 'bnl-banner', bnl: 'banner', attributes: { role: 'alert' } });
		this.#opening = h('p', { class: 'bnl-opening bnl-muted' }, strings.page.comparing);
		this.#failure = h('section', { class: 'bnl-failure', bnl: 'failure', attributes: { role: 'alert' } });
		this.#body = h('div', { class: 'bnl-body' }, this.#layers.element, this.#detail.element);
		this.#page = h(
			'div',
			{ class: 'bnl', bnl: 'page', data: { layout, view: 'comparison' } },
			...[this.#live, this.#banner, this.#opening, this.#failure, this.#header.element, this.#body],
		);
		this.#page.addEventListener('keydown', (event) => this.#onKey(event));
		replaceChildren(root, this.#page);
		this.#applyTheme();
		this.#render();
		this.#stopWatching = watchTheme(root.ownerDocument, () => {
			this.#applyTheme();
			this.#detail.redraw();
		});
	}

	get state(): ComparisonState {
		return this.#state;
	}

	/** Replaces what is shown; what the user has chosen stays as far as it still exists. */
	showComparison(comparison: Comparison): void {
		this.#comparison = comparison;
		this.#banner.textContent = '';
		replaceChildren(this.#failure);
		const chosen = comparison.layers.some(({ name }) => name === this.#state.layer);
		// The first wrong layer is what one came for, unless the user has chosen, or closed, another.
		if (!chosen && this.#state.layer !== null) {
			this.#state = { ...this.#state, layer: firstWrong(comparison)?.name, channel: null };
		}
		this.#render();
		const index = this.#selectedIndex();
		if (!chosen && index >= 0) {
			this.#layers.reveal(index);
		}
		this.#context.announce(this.#header.answerText);
		const view = this.#context.document.defaultView;
		view?.requestAnimationFrame(() => view.setTimeout(() => this.options.actions.mark?.('table'), 0));
	}

	showProgress(progress: Progress | null): void {
		this.#header.setProgress(progress);
		this.#opening.textContent =
			progress && !this.#comparison ? `${stageWords(progress.stage)}…` : strings.page.comparing;
	}

	/** With a comparison on screen that stays below a banner, else the failure is the page. */
	showFailure(message: string): void {
		this.showProgress(null);
		if (this.#comparison) {
			this.#banner.textContent = strings.failure.banner(fullLabel(message));
		} else {
			const { h } = this.#context;
			const content: Child[] = [
				icon(h, 'error', 'error'),
				h('div', {}, h('h1', {}, strings.failure.title), h('p', {}, fullLabel(message))),
			];
			replaceChildren(this.#failure, ...content);
		}
		this.#renderFrame();
	}

	/** An error of ours, not of the models: said in place, above what was shown before. */
	showError(error: unknown): void {
		this.#banner.textContent = shared.failure.unexpected(messageOf(error));
		this.#renderFrame();
	}

	dispose(): void {
		this.#stopWatching();
		this.#detail.dispose();
		this.options.root.replaceChildren();
	}

	#createContext(document: Document): ComparisonContext {
		return {
			document,
			h: elementBuilder(document),
			actions: this.options.actions,
			theme: () => {
				this.#theme ??= readTheme(this.#page);
				return this.#theme;
			},
			plotly: () => {
				this.#plotly ??= this.options.loadPlotly().catch((error: unknown) => {
					// The next layer tries again.
					this.#plotly = null;
					throw error;
				});
				return this.#plotly;
			},
			announce: (text) => {
				this.#live.textContent = text;
			},
		};
	}

	#render(): void {
		this.#renderFrame();
		const comparison = this.#comparison;
		if (comparison) {
			this.#header.update(comparison);
			this.#layers.update(comparison.layers, this.#state);
			this.#renderSelection(comparison);
		}
	}

	#renderFrame(): void {
		const comparison = this.#comparison;
		const failed = this.#failure.childElementCount > 0;
		setVisible(this.#banner, this.#banner.textContent !== '');
		setVisible(this.#failure, failed);
		setVisible(this.#opening, comparison === null && !failed);
		setVisible(this.#header.element, comparison !== null);
		setVisible(this.#body, (comparison?.layers.length ?? 0) > 0);
	}

	/** What depends on the chosen layer, without the table's rows. */
	#renderSelection({ layers }: Comparison): void {
		const index = layers.findIndex(({ name }) => name === this.#state.layer);
		const layer: LayerComparison | undefined = layers[index];
		this.#layers.select(layer ? index : null);
		setVisible(this.#detail.element, layer !== undefined);
		this.#page.classList.toggle('bnl-has-detail', layer !== undefined);
		if (layer) {
			this.#detail.show(layer, { index, all: layers.length }, this.#state);
		} else {
			this.#detail.hide();
		}
	}

	#open(index: number, byUser: boolean): void {
		const layer = this.#comparison?.layers[index];
		if (!layer || !this.#comparison || layer.name === this.#state.layer) {
			return;
		}
		this.#store({ layer: layer.name, channel: null });
		this.#renderSelection(this.#comparison);
		this.#detail.element.scrollTop = 0;
		this.#layers.reveal(index);
		if (byUser) {
			this.#context.announce(shared.detail.label(label(layer.name)));
			this.#bringDetailIntoView();
		}
	}

	/** Where the detail stands below the table, in a narrow window, it would otherwise open out of sight. */
	#bringDetailIntoView(): void {
		const detail = this.#detail.element.getBoundingClientRect();
		const table = this.#layers.element.getBoundingClientRect();
		if (detail.top >= table.bottom) {
			this.#detail.element.scrollIntoView({ block: 'start' });
		}
	}

	#close(): void {
		const index = this.#selectedIndex();
		this.#store({ layer: null, channel: null });
		if (this.#comparison) {
			this.#renderSelection(this.#comparison);
		}
		if (index >= 0) {
			this.#layers.focusRow(index);
		}
	}

	#step(direction: -1 | 1): void {
		const index = this.#selectedIndex();
		const next = index < 0 ? null : this.#layers.neighbour(index, direction);
		if (next !== null) {
			this.#open(next, true);
		}
	}

	#selectedIndex(): number {
		return this.#comparison?.layers.findIndex(({ name }) => name === this.#state.layer) ?? -1;
	}

	#chooseChannel(channel: number | null): void {
		this.#store({ channel });
		this.#detail.selectChannel(this.#state);
	}

	#changeTable(change: Partial<Pick<ComparisonState, 'channelSort' | 'onlyWrong'>>): void {
		this.#store(change);
		this.#detail.updateTable(this.#state);
	}

	/** The table's order or filter: the detail stays as it is. */
	#change(change: Partial<Pick<ComparisonState, 'sort' | 'filter'>>): void {
		this.#store(change);
		if (this.#comparison) {
			this.#layers.update(this.#comparison.layers, this.#state);
		}
	}

	#store(change: Partial<ComparisonState>): void {
		this.#state = { ...this.#state, ...change };
		this.options.actions.stateChanged?.(this.#state);
	}

	#onKey(event: KeyboardEvent): void {
		const isOpen = !this.#detail.element.hidden;
		if (event.key === 'Escape' && isOpen && !(event.target instanceof HTMLInputElement)) {
			event.preventDefault();
			this.#close();
		}
	}

	#applyTheme(): void {
		this.#theme = null;
		this.#page.dataset.theme = themeKind(this.#context.document.body) ?? 'system';
	}
}
