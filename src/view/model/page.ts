import { applyChanges, type ReportChanges } from '../../core/report/changes.js';
import type { RunForm } from '../../core/report/run-choices.js';
import { statesMisfit } from '../../core/report/summary.js';
import type { LayerReport, Report } from '../../core/report/types.js';
import { LayerChooser } from '../shared/layer-chooser.js';
import { LayersPanel } from '../shared/layers-panel.js';
import type { Progress } from '../shared/page-header.js';
import { type PageOptions, PageShell } from '../shared/page-shell.js';
import { StoredState } from '../shared/stored-state.js';
import { setVisible } from '../ui/dom.js';
import type { ViewActions } from './context.js';
import { createDetail } from './detail.js';
import { FindingFilter, hasFinding } from './finding-filter.js';
import { Header } from './header.js';
import { layersOptions } from './layer-columns.js';
import { Milestones } from './milestones.js';
import { Overview } from './overview.js';
import { ReportNotes } from './report-notes.js';
import { INITIAL_STATE, parseViewState, type ViewState } from './state.js';
import { strings } from './strings.js';

export type ViewOptions = PageOptions<ViewActions>;

/** Time without scrolling after which the positions are stored, in ms. */
const SCROLL_REST = 150;

/** A report on screen. Every method may be called at any time, in any order. */
export class View {
	readonly #options: ViewOptions;
	readonly #shell: PageShell<ViewActions>;
	readonly #state: StoredState<ViewState>;
	readonly #header: Header;
	readonly #findings: FindingFilter;
	readonly #notes: ReportNotes;
	readonly #layers: LayersPanel<LayerReport>;
	readonly #overview: Overview;
	readonly #chooser: LayerChooser<LayerReport, ViewState>;
	readonly #milestones: Milestones;
	#report: Report | null = null;
	/** Pending animation frame, 0 for none. */
	#scheduled = 0;
	/** The stored scroll positions are restored once there are rows. */
	#isScrollRestored = false;
	/** Index that `layerChosen` reported last. */
	#reportedIndex: number | null = null;
	/** Pending timer of #saveScroll. */
	#scrolling = 0;
	/** The overview is drawn after the first paint, because drawing would delay the table by 20 ms. */
	#isPainted = false;

	constructor(options: ViewOptions) {
		const { state } = options;
		const actions = {
			...options.actions,
			...(options.actions.run && { preprocess: () => this.#openPixels(), moreImages: () => this.#openInputs() }),
		};
		this.#options = { ...options, actions };
		this.#state = new StoredState(state === undefined ? INITIAL_STATE : parseViewState(state), (current) =>
			actions.stateChanged?.(current),
		);
		this.#shell = new PageShell(this.#options, { opening: strings.page.opening, failure: strings.failure });
		const { context } = this.#shell;
		this.#findings = new FindingFilter(context.h, (finding) => this.#change({ finding }));
		this.#header = new Header(context, this.#findings.chips, () => this.#toggleForm());
		this.#notes = new ReportNotes(context.h);
		this.#layers = this.#createLayers();
		this.#overview = this.#createOverview();
		this.#chooser = new LayerChooser({
			shell: this.#shell,
			state: this.#state,
			layers: this.#layers,
			createDetail: (events) => createDetail(context, events),
			onlyMarked: (flaggedOnly) => ({ flaggedOnly }),
			onShown: (index) => this.#onShown(index),
		});
		this.#milestones = new Milestones(context.document, (name) => this.#onMilestone(name));
		this.#show();
		this.#render();
	}

	get state(): ViewState {
		return this.#state.current;
	}

	/** Replaces the report and keeps the user's valid choices. */
	showReport(report: Report): void {
		this.#report = report;
		this.#shell.clearFailure();
		this.#milestones.restart();
		this.#render();
	}

	/** Shows parts of the report that became known. */
	update(changes: ReportChanges): void {
		if (this.#report) {
			this.#report = applyChanges(this.#report, changes);
			this.#schedule();
		}
	}

	/** Shows the run options with the current choices. */
	showForm(form: RunForm): void {
		this.#header.setForm(form);
		this.#header.showForm(this.#state.current.form);
	}

	/** @param progress null when no run is under way. */
	showProgress(progress: Progress | null): void {
		this.#header.setProgress(progress);
	}

	/** Shows an error about the model, above the last report or in its place. */
	showFailure(message: string): void {
		this.showProgress(null);
		this.#shell.showFailure(message, this.#report);
	}

	/** Shows an error of the page itself above the content. */
	showError(error: unknown): void {
		this.#shell.showError(error);
	}

	clearFailure(): void {
		this.#shell.clearFailure();
		this.#shell.update(this.#report);
	}

	/** Opens a layer by name, now or with its report. @param part section of the layer to open and scroll to */
	select(layer: string, part?: 'axes'): void {
		const index = this.#report?.layers.findIndex(({ name }) => name === layer) ?? -1;
		if (index >= 0) {
			this.#chooser.open(index, null, false);
			this.#chooser.bringDetailIntoView();
			if (part) {
				this.#chooser.detail.reveal();
			}
		} else {
			this.#state.assume({ layer, channel: null });
		}
	}

	dispose(): void {
		const view = this.#shell.context.document.defaultView;
		view?.cancelAnimationFrame(this.#scheduled);
		view?.clearTimeout(this.#scrolling);
		this.#chooser.detail.dispose();
		this.#shell.dispose();
	}

	#createLayers(): LayersPanel<LayerReport> {
		const { h } = this.#shell.context;
		return new LayersPanel(
			h,
			{ ...layersOptions(h), tools: [this.#findings.select] },
			{
				onOpen: (index) => this.#chooser.open(index, null, true),
				onSort: (sort) => this.#change({ sort }),
				onFilter: (filter) => this.#change({ filter }),
				onScroll: () => this.#saveScroll(),
			},
		);
	}

	#createOverview(): Overview {
		const { h, theme } = this.#shell.context;
		return new Overview({
			h,
			theme,
			onOpen: (layer, channel) => this.#chooser.open(layer, channel, true),
			onMetric: (metric) => this.#change({ metric }),
			onToggle: (overview) => this.#change({ overview }),
		});
	}

	#show(): void {
		const { detail } = this.#chooser;
		this.#shell.show(
			{
				header: this.#header.element,
				between: [this.#notes.findings, this.#overview.element, this.#notes.empty],
				layers: this.#layers.element,
				detail: detail.element,
			},
			{ onEscape: () => this.#chooser.close(), onTheme: () => this.#onTheme() },
		);
		for (const pane of [this.#shell.element, detail.element]) {
			pane.addEventListener('scroll', () => this.#saveScroll());
		}
	}

	#onMilestone(name: 'table' | 'verdicts'): void {
		this.#options.actions.mark?.(name);
		if (!this.#isPainted) {
			this.#isPainted = true;
			this.#updateOverview(this.#chooser.index);
		}
		if (name === 'verdicts') {
			this.#shell.context.announce(this.#header.answerText);
			this.#prefetchPlotly();
		}
	}

	/** Loads plotly when the page is complete and idle, so that the first opened layer does not wait for it. */
	#prefetchPlotly(): void {
		const { document, plotly } = this.#shell.context;
		if (this.#options.layout === 'page' && this.#report?.layers.length) {
			// A failure is shown in place of the plot.
			document.defaultView?.requestIdleCallback(() => plotly().catch(() => undefined), { timeout: 2000 });
		}
	}

	/** Draws layers that arrive during a run once per frame. */
	#schedule(): void {
		const view = this.#shell.context.document.defaultView;
		if (view && this.#scheduled === 0) {
			this.#scheduled = view.requestAnimationFrame(() => {
				this.#scheduled = 0;
				this.#render();
			});
		}
	}

	#render(): void {
		const report = this.#report;
		this.#shell.update(report);
		this.#notes.update(report);
		setVisible(this.#overview.element, (report?.layers.length ?? 0) > 0);
		if (!report) {
			return;
		}
		this.#header.update(report);
		const { finding } = this.#state.current;
		this.#findings.update(report.layers, finding);
		if (report.layers.length > 0) {
			this.#layers.update(report.layers, this.#state.current, (layer) => hasFinding(layer, finding));
			this.#chooser.update(report.layers);
			this.#restoreScroll();
		}
		this.#milestones.update(report);
	}

	#onShown(index: number | null): void {
		if (index !== this.#reportedIndex) {
			this.#reportedIndex = index;
			this.#options.actions.layerChosen?.(index);
		}
		this.#updateOverview(index);
	}

	#updateOverview(index: number | null): void {
		if (!this.#isPainted) {
			return;
		}
		const { overview, metric: chosen } = this.#state.current;
		const metric = chosen || (this.#report && statesMisfit(this.#report) ? 'drift' : 'scale');
		this.#overview.update(overview, { layers: this.#report?.layers ?? [], metric }, index);
	}

	#onTheme(): void {
		this.#overview.invalidate();
		if (this.#report && this.#report.layers.length > 0) {
			this.#updateOverview(this.#chooser.index);
			this.#chooser.detail.redraw();
		}
	}

	#change(change: Partial<ViewState>): void {
		this.#state.change(change);
		this.#render();
	}

	/** Stores the scroll positions when scrolling, which fires many times a second, has come to rest. */
	#saveScroll(): void {
		const view = this.#shell.context.document.defaultView;
		view?.clearTimeout(this.#scrolling);
		if (view && this.#isScrollRestored) {
			this.#scrolling = view.setTimeout(() => {
				const page = this.#shell.element.scrollTop;
				const detail = this.#chooser.detail.element.scrollTop;
				this.#state.change({ scroll: { page, table: this.#layers.scrollTop, detail } });
			}, SCROLL_REST);
		}
	}

	#restoreScroll(): void {
		if (!this.#isScrollRestored) {
			const { page, table, detail } = this.#state.current.scroll;
			this.#shell.element.scrollTop = page;
			this.#layers.scrollTop = table;
			this.#chooser.detail.element.scrollTop = detail;
			this.#isScrollRestored = true;
		}
	}

	#openPixels(): void {
		this.#setForm(true);
		this.#header.focusPixels();
	}

	#openInputs(): void {
		this.#setForm(true);
		this.#header.focusInputs();
	}

	#toggleForm(): void {
		this.#setForm(!this.#state.current.form);
	}

	#setForm(form: boolean): void {
		this.#state.change({ form });
		this.#header.showForm(form);
	}
}
