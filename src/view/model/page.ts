import type { RunForm } from '../../core/report/run-choices.js';
import type { LayerReport, Report, RunSummary } from '../../core/report/types.js';
import { messageOf } from '../../core/text/sentences.js';
import type { Plotly } from '../plots/plotly.js';
import { readTheme, type Theme } from '../plots/theme.js';
import type { ViewActions, ViewContext } from '../shared/context.js';
import { LayersPanel } from '../shared/layers-panel.js';
import { Milestones } from '../shared/milestones.js';
import { label } from '../text/names.js';
import { strings } from '../text/strings.js';
import { elementBuilder, replaceChildren } from '../ui/dom.js';
import { themeKind, watchTheme } from '../ui/theme-watch.js';
import { LayerDetail } from './detail.js';
import { Frame } from './frame.js';
import { Header, type Progress } from './header.js';
import { layersOptions } from './layer-columns.js';
import { Overview } from './overview.js';
import { INITIAL_STATE, parseViewState, type ViewState } from './state.js';

export interface ViewOptions {
	/** Where the page goes; it is emptied. Its document is the only one used. */
	readonly root: HTMLElement;
	readonly actions: ViewActions;
	/** Loads plotly.js; called once, when there is something to plot and everything else is on screen. */
	loadPlotly(): Promise<Plotly>;
	/** "page": fills the window, panes scroll by themselves; "embedded": grows with its content. */
	readonly layout: 'page' | 'embedded';
	/** A state as `stateChanged` gave it out, from storage. */
	readonly state?: unknown;
}

/** Milliseconds. */
const SCROLL_REST = 150;

/** A report on screen. Every method may be called at any time, in any order. */
export class View {
	readonly #context: ViewContext;
	readonly #frame: Frame;
	readonly #header: Header;
	readonly #layers: LayersPanel<LayerReport>;
	readonly #overview: Overview;
	readonly #detail: LayerDetail;
	readonly #milestones: Milestones;
	readonly #stopWatching: () => void;
	#state: ViewState;
	#report: Report | null = null;
	#theme: Theme | null = null;
	#plotly: Promise<Plotly> | null = null;
	/** The pending animation frame, 0 for none. */
	#scheduled = 0;
	/** The stored scroll position has to wait for the first rows. */
	#scrollRestored = false;
	#shownLayer: LayerReport | null = null;
	/** What `layerChosen` was told last. */
	#toldIndex: number | null = null;
	/** The pending timer of #saveScroll. */
	#scrolling = 0;

	constructor(private readonly options: ViewOptions) {
		const { root, actions } = options;
		this.#state = options.state === undefined ? INITIAL_STATE : parseViewState(options.state);
		this.#context = this.#createContext(root.ownerDocument);
		const { h } = this.#context;
		this.#header = new Header(this.#context, () => this.#toggleForm());
		this.#layers = new LayersPanel(this.#context.h, layersOptions(this.#context.h), {
			onOpen: (index) => this.#open(index, null, true),
			onSort: (sort) => this.#change({ sort }),
			onFilter: (filter) => this.#change({ filter }),
			onScroll: () => this.#saveScroll(),
		});
		this.#overview = new Overview({
			h,
			theme: () => this.#context.theme(),
			onOpen: (layer, channel) => this.#open(layer, channel, true),
			onMetric: (metric) => this.#change({ metric }),
			onToggle: (overview) => this.#change({ overview }),
		});
		this.#detail = new LayerDetail(this.#context, {
			onClose: () => this.#close(),
			onStep: (direction) => this.#step(direction),
			onChannel: (channel) => this.#chooseChannel(channel),
			onChannelSort: (channelSort) => this.#changeTable({ channelSort }),
			onFlaggedOnly: (flaggedOnly) => this.#changeTable({ flaggedOnly }),
		});
		this.#frame = new Frame(h, options.layout, {
			header: this.#header.element,
			overview: this.#overview.element,
			layers: this.#layers.element,
			detail: this.#detail.element,
		});
		this.#milestones = new Milestones(root.ownerDocument, (name) => {
			actions.mark?.(name);
			if (name === 'verdicts') {
				this.#frame.announce(this.#header.answerText);
				this.#prefetchPlotly();
			}
		});
		this.#frame.element.addEventListener('keydown', (event) => this.#onKey(event));
		for (const pane of [this.#frame.element, this.#detail.element]) {
			pane.addEventListener('scroll', () => this.#saveScroll());
		}
		replaceChildren(root, this.#frame.element);
		this.#applyTheme();
		this.#render();
		this.#stopWatching = watchTheme(root.ownerDocument, () => this.#themeChanged());
	}

	get state(): ViewState {
		return this.#state;
	}

	/** Replaces what is shown; what the user has chosen stays as far as it still exists. */
	showReport(report: Report): void {
		this.#report = report;
		this.#frame.failure = '';
		this.#frame.banner = '';
		this.#milestones.restart();
		this.#render();
	}

	updateLayer(index: number, layer: LayerReport): void {
		if (this.#report?.layers[index]) {
			this.#report = { ...this.#report, layers: this.#report.layers.with(index, layer) };
			this.#schedule();
		}
	}

	updateRun(run: RunSummary): void {
		if (this.#report) {
			this.#report = { ...this.#report, run };
			this.#schedule();
		}
	}

	/** What can be said about how the model is run, and what was said. */
	showForm(form: RunForm): void {
		this.#header.setForm(form);
		this.#header.showForm(this.#state.form);
	}

	showProgress(progress: Progress | null): void {
		this.#header.setProgress(progress);
	}

	/** With a report on screen that stays below a banner, else the failure is the page. */
	showFailure(message: string): void {
		this.showProgress(null);
		if (this.#report) {
			this.#frame.banner = strings.failure.banner(message);
		} else {
			this.#frame.failure = message;
		}
		this.#frame.update(this.#report);
	}

	/** An error of ours, not of the model: said in place, above what was shown before. */
	showError(error: unknown): void {
		this.#frame.banner = strings.failure.unexpected(messageOf(error));
	}

	clearFailure(): void {
		this.#frame.banner = '';
		this.#frame.failure = '';
		this.#frame.update(this.#report);
	}

	/** Opens a layer by name; before there is a report it is remembered. */
	select(layer: string): void {
		const index = this.#report?.layers.findIndex(({ name }) => name === layer) ?? -1;
		if (index >= 0) {
			this.#open(index, null, false);
			this.#bringDetailIntoView();
		} else {
			this.#state = { ...this.#state, layer, channel: null };
		}
	}

	dispose(): void {
		this.#stopWatching();
		const view = this.#context.document.defaultView;
		view?.cancelAnimationFrame(this.#scheduled);
		view?.clearTimeout(this.#scrolling);
		this.#detail.dispose();
		this.options.root.replaceChildren();
	}

	#createContext(document: Document): ViewContext {
		return {
			document,
			h: elementBuilder(document),
			actions: this.options.actions,
			theme: () => {
				this.#theme ??= readTheme(this.#frame.element);
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
			announce: (text) => this.#frame.announce(text),
		};
	}

	/** Once everything else is there and nothing happens, so that the first layer does not have to wait for it. */
	#prefetchPlotly(): void {
		const view = this.#context.document.defaultView;
		if (this.options.layout === 'page' && this.#report?.layers.length) {
			// A failure is told where a plot is missing.
			view?.requestIdleCallback(() => this.#context.plotly().catch(() => undefined), { timeout: 2000 });
		}
	}

	/** Layers arrive one by one during a run: they are drawn together, once a frame. */
	#schedule(): void {
		const view = this.#context.document.defaultView;
		if (view && this.#scheduled === 0) {
			this.#scheduled = view.requestAnimationFrame(() => {
				this.#scheduled = 0;
				this.#render();
			});
		}
	}

	#render(): void {
		const report = this.#report;
		this.#frame.update(report);
		if (!report) {
			this.#frame.hasDetail = false;
			return;
		}
		this.#header.update(report);
		if (report.layers.length > 0) {
			this.#layers.update(report.layers, this.#state);
			this.#renderSelection(report);
			this.#restoreScroll();
		}
		this.#milestones.update(report);
	}

	/** What depends on the chosen layer, without the table's rows. */
	#renderSelection(report: Report): void {
		const index = this.#selectedIndex(report);
		const layer = index === null ? null : (report.layers[index] ?? null);
		this.#layers.select(index);
		this.#frame.hasDetail = layer !== null;
		if (index === null || layer === null) {
			this.#detail.hide();
		} else if (layer !== this.#shownLayer) {
			this.#detail.show(layer, { index, all: report.layers.length }, this.#state);
		}
		this.#shownLayer = layer;
		if (index !== this.#toldIndex) {
			this.#toldIndex = index;
			this.options.actions.layerChosen?.(index);
		}
		this.#overview.update(this.#state.overview, { layers: report.layers, metric: this.#state.metric }, index);
	}

	#selectedIndex({ layers }: Report): number | null {
		const index = layers.findIndex(({ name }) => name === this.#state.layer);
		return index < 0 ? null : index;
	}

	/** @param channel null keeps the channel if the layer stays the same. */
	#open(index: number, channel: number | null, byUser: boolean): void {
		const layer = this.#report?.layers[index];
		if (!layer || !this.#report) {
			return;
		}
		const same = layer.name === this.#state.layer;
		this.#store({ layer: layer.name, channel: same && channel === null ? this.#state.channel : channel });
		this.#renderSelection(this.#report);
		if (!same) {
			this.#detail.element.scrollTop = 0;
		}
		if (same || channel !== null) {
			this.#detail.selectChannel(this.#state);
		}
		this.#layers.reveal(index);
		if (byUser) {
			this.#frame.announce(strings.detail.label(label(layer.name)));
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
		const index = this.#report && this.#selectedIndex(this.#report);
		this.#store({ layer: null, channel: null });
		if (this.#report) {
			this.#renderSelection(this.#report);
		}
		if (typeof index === 'number') {
			this.#layers.focusRow(index);
		}
	}

	#step(direction: -1 | 1): void {
		const current = this.#report && this.#selectedIndex(this.#report);
		const next = typeof current === 'number' ? this.#layers.neighbour(current, direction) : null;
		if (next !== null) {
			this.#open(next, null, true);
		}
	}

	#chooseChannel(channel: number | null): void {
		this.#store({ channel });
		this.#detail.selectChannel(this.#state);
	}

	#changeTable(change: Partial<Pick<ViewState, 'channelSort' | 'flaggedOnly'>>): void {
		this.#store(change);
		this.#detail.updateTable(this.#state);
	}

	#change(change: Partial<ViewState>): void {
		this.#store(change);
		this.#render();
	}

	#store(change: Partial<ViewState>): void {
		this.#state = { ...this.#state, ...change };
		this.options.actions.stateChanged?.(this.#state);
	}

	#onKey(event: KeyboardEvent): void {
		if (event.key === 'Escape' && this.#state.layer !== null && !(event.target instanceof HTMLInputElement)) {
			event.preventDefault();
			this.#close();
		}
	}

	/** Scrolling speaks dozens of times a second; it is stored when it comes to rest. */
	#saveScroll(): void {
		const view = this.#context.document.defaultView;
		view?.clearTimeout(this.#scrolling);
		if (view && this.#scrollRestored) {
			this.#scrolling = view.setTimeout(() => {
				const page = this.#frame.element.scrollTop;
				this.#store({ scroll: { page, table: this.#layers.scrollTop, detail: this.#detail.element.scrollTop } });
			}, SCROLL_REST);
		}
	}

	#restoreScroll(): void {
		if (!this.#scrollRestored) {
			const { page, table, detail } = this.#state.scroll;
			this.#frame.element.scrollTop = page;
			this.#layers.scrollTop = table;
			this.#detail.element.scrollTop = detail;
			this.#scrollRestored = true;
		}
	}

	#toggleForm(): void {
		this.#store({ form: !this.#state.form });
		this.#header.showForm(this.#state.form);
	}

	#applyTheme(): void {
		this.#theme = null;
		this.#overview.invalidate();
		this.#frame.element.dataset.theme = themeKind(this.#context.document.body) ?? 'system';
	}

	#themeChanged(): void {
		this.#applyTheme();
		if (this.#report && this.#report.layers.length > 0) {
			this.#renderSelection(this.#report);
			this.#detail.redraw();
		}
	}
}
