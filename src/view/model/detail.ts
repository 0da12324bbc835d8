import { foldReasons } from '../../core/report/fold-reasons.js';
import type { LayerReport } from '../../core/report/types.js';
import { formatNumber } from '../../core/text/numbers.js';
import type { Plotly } from '../plots/plotly.js';
import { pressChips } from '../shared/channel-chips.js';
import type { ViewContext } from '../shared/context.js';
import { DetailHead, type DetailHeadEvents } from '../shared/detail-head.js';
import { PlotPanel } from '../shared/plot-panel.js';
import { fullLabel, label } from '../text/names.js';
import { strings } from '../text/strings.js';
import { PLOT_KINDS } from '../ui/attributes.js';
import { type Child, replaceChildren, setVisible } from '../ui/dom.js';
import { methodIcon, verdictIcon } from '../ui/icons.js';
import { phrases } from '../ui/phrases.js';
import { explainAxes } from './axes.js';
import { axesPicture } from './axes-picture.js';
import { ChannelTable } from './channel-table.js';
import { findingsList } from './findings.js';
import { methodCards, normalizationSentence } from './normalization.js';
import { plotDefinition } from './plots/figures.js';
import type { SortOrder, ViewState } from './state.js';

export interface DetailEvents extends DetailHeadEvents {
	onChannel(channel: number | null): void;
	onChannelSort(sort: SortOrder): void;
	onFlaggedOnly(flaggedOnly: boolean): void;
}

/** The chosen layer: verdict, findings, axes, folding, plots and the table of the same numbers. */
export class LayerDetail {
	readonly element: HTMLElement;
	readonly #head: DetailHead;
	readonly #verdict: HTMLElement;
	readonly #findings: HTMLElement;
	readonly #axes: HTMLElement;
	readonly #fold: HTMLElement;
	readonly #noParameters: HTMLElement;
	readonly #panels: readonly PlotPanel<LayerReport>[];
	readonly #table: ChannelTable;
	#layer: LayerReport | null = null;
	#channel: number | null = null;
	#plotly: Plotly | null = null;
	/** Drawing for a layer that is no longer shown stops. */
	#generation = 0;

	constructor(
		private readonly context: ViewContext,
		private readonly events: DetailEvents,
	) {
		const { h } = context;
		this.#head = new DetailHead(h, events);
		this.#verdict = h('p', { class: 'bnl-detail-verdict', bnl: 'verdict' });
		this.#findings = h('div', { class: 'bnl-findings' });
		this.#axes = h('div', { class: 'bnl-axes', bnl: 'axes' });
		this.#fold = h('p', { class: 'bnl-fold', bnl: 'fold' });
		this.#noParameters = h('p', { class: 'bnl-muted' });
		this.#panels = PLOT_KINDS.map(
			(kind) => new PlotPanel(context, plotDefinition(kind), (channel) => events.onChannel(channel)),
		);
		this.#table = new ChannelTable(context, events);
		const section = (title: string, ...children: readonly Child[]): HTMLElement =>
			h('section', { class: 'bnl-section' }, h('h3', {}, title), ...children);
		this.element = h(
			'section',
			{ class: 'bnl-detail', bnl: 'detail' },
			this.#head.element,
			this.#verdict,
			section(strings.detail.findings, this.#findings, this.#fold),
			section(strings.detail.axes, this.#axes),
			section(
				strings.detail.plots,
				this.#noParameters,
				this.#table.readout,
				h('div', { class: 'bnl-plots' }, ...this.#panels.map((panel) => panel.element)),
			),
			section(strings.detail.table, this.#table.element),
		);
	}

	/** Shows a layer, or the newer report of the one that is shown. */
	show(layer: LayerReport, place: { readonly index: number; readonly all: number }, state: ViewState): void {
		this.#layer = layer;
		this.#channel = state.channel;
		this.element.dataset.layer = String(place.index);
		this.element.setAttribute('aria-label', strings.detail.label(label(layer.name)));
		this.#head.show(layer.name, factsOf(layer), place);
		this.#showVerdict(layer);
		replaceChildren(
			this.#findings,
			...findingsList(this.context.h, layer, (channel) => this.events.onChannel(channel)),
		);
		pressChips(this.#findings, state.channel);
		this.#showAxes(layer);
		this.#fold.textContent = foldText(layer);
		setVisible(this.#fold, this.#fold.textContent !== '');
		this.#noParameters.textContent = layer.parameters
			? ''
			: strings.detail.noParameters(layer.parametersReason && fullLabel(layer.parametersReason));
		this.#table.show(layer, state);
		this.redraw();
	}

	selectChannel(state: ViewState): void {
		this.#channel = state.channel;
		for (const panel of this.#panels) {
			panel.select(state.channel);
		}
		pressChips(this.#findings, state.channel);
		this.#table.select(state);
	}

	updateTable(state: ViewState): void {
		if (this.#layer) {
			this.#table.show(this.#layer, state);
			this.#table.render();
		}
	}

	/** Draws the plots one after the other, giving the page room to breathe between them. */
	redraw(): void {
		const layer = this.#layer;
		const generation = ++this.#generation;
		if (!layer) {
			return;
		}
		for (const panel of this.#panels) {
			panel.prepare(layer);
		}
		void this.#draw(() => generation === this.#generation);
	}

	/** Stops drawing: the detail is closed or its page goes away. */
	hide(): void {
		this.#generation++;
		this.#layer = null;
	}

	dispose(): void {
		this.hide();
		for (const panel of this.#panels) {
			panel.dispose();
		}
	}

	/** The first plot comes first, then the table below all plots, unless plotly has to be fetched before. */
	async #draw(current: () => boolean): Promise<void> {
		try {
			if (!this.#plotly) {
				this.#table.render();
				this.#plotly = await this.context.plotly();
			}
			for (const panel of this.#panels) {
				if (!current()) {
					return;
				}
				await panel.draw(this.#plotly, this.#channel);
				await nextTask();
				this.#table.render();
			}
			this.context.actions.mark?.('plots');
		} catch (error) {
			for (const panel of this.#panels) {
				panel.fail(error);
			}
		}
	}

	#showVerdict(layer: LayerReport): void {
		const { h } = this.context;
		const { status } = layer.recompute;
		this.#verdict.dataset.status = status;
		this.#verdict.className = `bnl-detail-verdict bnl-verdict-${status}`;
		replaceChildren(this.#verdict, verdictIcon(h, status), h('span', {}, ...phrases(h, verdictSentence(layer))));
	}

	#showAxes(layer: LayerReport): void {
		const explanation = explainAxes(layer);
		const { normalization } = layer;
		this.#axes.dataset.method = String(explanation.method);
		this.#axes.dataset.verdict = normalization?.verdict ?? '';
		const { h } = this.context;
		replaceChildren(
			this.#axes,
			h('p', { class: 'bnl-axes-text' }, ...phrases(h, explanation.sentence)),
			axesPicture(h, methodCards(layer, explanation), { axes: layer.axes, spatial: explanation.axes.slice(2) }),
			h(
				'p',
				{ class: 'bnl-axes-verdict' },
				...(normalization ? [methodIcon(h, normalization.verdict)] : []),
				h('span', {}, ...phrases(h, normalizationSentence(normalization))),
			),
			// Where nothing could be told there is no σ above that would need the word.
			...(normalization && normalization.verdict !== 'cannot-tell'
				? [h('p', { class: 'bnl-muted' }, strings.normalization.scale(normalization.values))]
				: []),
		);
	}
}

function factsOf(layer: LayerReport): string[] {
	const { source, graph, parametersFrom } = layer;
	return [
		...strings.detail.facts(layer),
		source ? strings.detail.fedBy(label(source.op), label(source.name)) : strings.detail.fedByInput,
		...(parametersFrom ? [strings.detail.parametersFrom(label(parametersFrom))] : []),
		...(graph ? [strings.detail.inGraph(label(graph))] : []),
	];
}

function verdictSentence({ recompute, findings }: LayerReport): string {
	const { status, maxAbs, bound, bitExact, reason } = recompute;
	if (status === 'pending') {
		return strings.verdictSentence.pending;
	}
	if (status === 'skipped') {
		return strings.verdictSentence.skipped(reason && fullLabel(reason));
	}
	// What is recomputed is what the runtime does step by step; its optimizations may still get it wrong.
	const stepByStep = status === 'match' && findings.some(({ code }) => code === 'runtime-fusion-mismatch');
	const numbers = strings.verdictSentence[
		stepByStep ? 'unoptimized' : status === 'match' && bitExact ? 'bitExact' : status
	](
		formatNumber(maxAbs ?? Number.NaN, 3),
		bound === undefined ? strings.verdictSentence.noBound : formatNumber(bound, 3),
	);
	return reason ? `${numbers} ${fullLabel(reason)}` : numbers;
}

function foldText({ foldable: { into, reasons } }: LayerReport): string {
	if (into !== null) {
		return strings.fold.into(label(into));
	}
	if (reasons.length === 0) {
		return '';
	}
	return `${strings.fold.not}${label(foldReasons(reasons))}.`;
}

/** Lets input, scrolling and painting happen between two plots. */
function nextTask(): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, 0));
}
