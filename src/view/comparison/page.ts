import type { Comparison, LayerComparison } from '../../core/report/comparison/comparison.js';
import { hasConfidence } from '../../core/report/comparison/summary.js';
import { stageWords } from '../../core/report/stages.js';
import { LayerChooser } from '../shared/layer-chooser.js';
import { LayersPanel } from '../shared/layers-panel.js';
import type { Progress } from '../shared/page-header.js';
import { type PageOptions, PageShell } from '../shared/page-shell.js';
import { StoredState } from '../shared/stored-state.js';
import type { ComparisonActions } from './context.js';
import { createDetail } from './detail.js';
import { firstWrong } from './facts.js';
import { ComparisonHeader } from './header.js';
import { comparedOptions } from './layer-columns.js';
import { PartingPicture } from './parting-picture.js';
import { type ComparisonState, INITIAL_COMPARISON_STATE, parseComparisonState } from './state.js';
import { strings } from './strings.js';

export type ComparisonViewOptions = PageOptions<ComparisonActions>;

/** A comparison on screen. Every method may be called at any time, in any order. */
export class ComparisonView {
	readonly #actions: ComparisonActions;
	readonly #shell: PageShell<ComparisonActions>;
	readonly #state: StoredState<ComparisonState>;
	readonly #header: ComparisonHeader;
	readonly #layers: LayersPanel<LayerComparison>;
	readonly #parting: PartingPicture;
	readonly #chooser: LayerChooser<LayerComparison, ComparisonState>;
	#comparison: Comparison | null = null;

	constructor(options: ComparisonViewOptions) {
		const { actions, state } = options;
		this.#actions = actions;
		this.#state = new StoredState(
			state === undefined ? INITIAL_COMPARISON_STATE : parseComparisonState(state),
			(current) => actions.stateChanged?.(current),
		);
		const words = { opening: strings.page.comparing, failure: strings.failure, view: 'comparison' };
		this.#shell = new PageShell(options, words);
		const { context } = this.#shell;
		this.#header = new ComparisonHeader(context);
		this.#layers = new LayersPanel(context.h, comparedOptions(context.h), {
			onOpen: (index) => this.#open(index),
			onSort: (sort) => this.#changeTable({ sort }),
			onFilter: (filter) => this.#changeTable({ filter }),
		});
		this.#parting = new PartingPicture(context, {
			onOpen: (index) => this.#open(index),
			onToggle: (parting) => this.#toggleParting(parting),
		});
		this.#chooser = new LayerChooser({
			shell: this.#shell,
			state: this.#state,
			layers: this.#layers,
			createDetail: (events) => createDetail(context, events),
			onlyMarked: (onlyWrong) => ({ onlyWrong }),
			onShown: (index) => this.#parting.select(index),
		});
		const { detail } = this.#chooser;
		this.#shell.show(
			{
				header: this.#header.element,
				between: [this.#parting.element],
				layers: this.#layers.element,
				detail: detail.element,
			},
			{
				onEscape: () => this.#chooser.close(),
				onTheme: () => {
					detail.redraw();
					this.#parting.redraw();
				},
			},
		);
		this.#shell.update(null);
	}

	get state(): ComparisonState {
		return this.#state.current;
	}

	/** Replaces the comparison and keeps the user's valid choices. */
	showComparison(comparison: Comparison): void {
		this.#comparison = comparison;
		this.#shell.clearFailure();
		const { layer } = this.#state.current;
		const isChosen = comparison.layers.some(({ name }) => name === layer);
		// Opens the first wrong layer, unless the user chose another or closed the detail.
		if (!isChosen && layer !== null) {
			this.#state.assume({ layer: firstWrong(comparison)?.name, channel: null });
		}
		this.#shell.update(comparison);
		this.#header.update(comparison);
		this.#layers.element.dataset.causes = String(comparison.layers.some((layer) => layer.cause !== null));
		this.#layers.element.dataset.confidence = String(comparison.layers.some(hasConfidence));
		this.#layers.update(comparison.layers, this.#state.current);
		this.#chooser.update(comparison.layers);
		const { index } = this.#chooser;
		this.#parting.update(comparison, this.#state.current.parting, index);
		if (!isChosen && index !== null) {
			this.#layers.reveal(index);
		}
		const { announce, document } = this.#shell.context;
		announce(this.#header.answerText);
		const view = document.defaultView;
		view?.requestAnimationFrame(() => view.setTimeout(() => this.#actions.mark?.('table'), 0));
	}

	/** @param progress null when no comparison is under way. */
	showProgress(progress: Progress | null): void {
		this.#header.setProgress(progress);
		this.#shell.opening = progress && !this.#comparison ? `${stageWords(progress.stage)}…` : strings.page.comparing;
	}

	/** Shows an error about the models, above the last comparison or in its place. */
	showFailure(message: string): void {
		this.showProgress(null);
		this.#shell.showFailure(message, this.#comparison);
	}

	/** Shows an error of the page itself above the content. */
	showError(error: unknown): void {
		this.#shell.showError(error);
	}

	dispose(): void {
		this.#chooser.detail.dispose();
		this.#parting.dispose();
		this.#shell.dispose();
	}

	/** Opens a layer. Ignores a click on the open layer's row. */
	#open(index: number): void {
		if (index !== this.#chooser.index) {
			this.#chooser.open(index, null, true);
		}
	}

	#toggleParting(parting: boolean): void {
		this.#state.change({ parting });
		if (this.#comparison) {
			this.#parting.update(this.#comparison, parting, this.#chooser.index);
		}
	}

	/** Applies another order or filter of the table; the detail stays as it is. */
	#changeTable(change: Partial<Pick<ComparisonState, 'sort' | 'filter'>>): void {
		this.#state.change(change);
		if (this.#comparison) {
			this.#layers.update(this.#comparison.layers, this.#state.current);
		}
	}
}
