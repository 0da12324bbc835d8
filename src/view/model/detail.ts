import { foldReasons } from '../../core/report/fold-reasons.js';
import type { LayerReport } from '../../core/report/types.js';
import { formatNumber, ratioOf } from '../../core/text/numbers.js';
import {
	type ChannelElements,
	type DetailContent,
	type DetailEvents,
	LayerDetail,
	section,
} from '../shared/layer-detail.js';
import { boundRatio } from '../shared/layer-facts.js';
import { fullLabel, label } from '../text/names.js';
import { strings as shared } from '../text/strings.js';
import { PLOT_KINDS } from '../ui/attributes.js';
import { type ElementBuilder, replaceChildren, setVisible } from '../ui/dom.js';
import { verdictIcon } from '../ui/icons.js';
import { phrases } from '../ui/phrases.js';
import { AxesSection } from './axes-section.js';
import { CHANNEL_TABLE } from './channel-columns.js';
import type { ViewContext } from './context.js';
import { findingsList } from './findings.js';
import { plotDefinition } from './plots/figures.js';
import type { ViewState } from './state.js';
import { strings } from './strings.js';

/** Creates the detail of a layer of a model. */
export function createDetail(context: ViewContext, events: DetailEvents): LayerDetail<LayerReport, ViewState> {
	return new LayerDetail(context, events, {
		plots: PLOT_KINDS.map(plotDefinition),
		table: CHANNEL_TABLE,
		onlyMarked: ({ flaggedOnly }) => flaggedOnly,
		createContent: (channels) => new ModelDetail(context, events, channels),
	});
}

/** Content of the detail: verdict, findings, axes, folding, plots and the table of the same numbers. */
class ModelDetail implements DetailContent<LayerReport> {
	readonly elements: readonly HTMLElement[];
	readonly #h: ElementBuilder;
	readonly #actions: ViewContext['actions'];
	readonly #events: DetailEvents;
	readonly #verdict: HTMLElement;
	readonly #findings: HTMLElement;
	readonly #axes: AxesSection;
	readonly #fold: HTMLElement;
	/** Axes in a few words above the plots, with a link to their explanation below. */
	readonly #lead: HTMLElement;
	readonly #noParameters: HTMLElement;

	constructor(
		{ h, actions }: ViewContext,
		events: DetailEvents,
		{ readout, plots, table }: ChannelElements<LayerReport>,
	) {
		this.#h = h;
		this.#actions = actions;
		this.#events = events;
		this.#verdict = h('p', { class: 'bnl-detail-verdict', bnl: 'verdict' });
		this.#findings = h('div', { class: 'bnl-findings' });
		this.#axes = new AxesSection(h);
		this.#fold = h('p', { class: 'bnl-fold', bnl: 'fold' });
		this.#lead = h('p', { class: 'bnl-lead' });
		this.#noParameters = h('p', { class: 'bnl-muted' });
		this.elements = [
			this.#verdict,
			section(h, strings.detail.findings, this.#findings, this.#fold),
			this.#lead,
			section(h, strings.detail.plots, this.#noParameters, plots, readout),
			section(h, strings.detail.axes, this.#axes.element),
			section(h, shared.detail.table, table),
		];
	}

	get chips(): HTMLElement {
		return this.#findings;
	}

	factsOf(layer: LayerReport): readonly string[] {
		return factsOf(layer);
	}

	reveal(): void {
		this.#axes.reveal();
	}

	show(layer: LayerReport): boolean {
		this.#showVerdict(layer);
		replaceChildren(
			this.#findings,
			...findingsList(this.#h, layer, (channel) => this.#events.onChannel(channel), this.#actions),
		);
		this.#axes.show(layer);
		this.#showLead();
		this.#fold.textContent = foldText(layer);
		setVisible(this.#fold, this.#fold.textContent !== '');
		this.#noParameters.textContent = layer.parameters
			? ''
			: strings.detail.noParameters(layer.parametersReason && fullLabel(layer.parametersReason));
		return true;
	}

	#showLead(): void {
		const h = this.#h;
		const explain = { attributes: { type: 'button' }, on: { click: () => this.#axes.reveal() } };
		replaceChildren(
			this.#lead,
			...phrases(h, this.#axes.lead),
			' ',
			h('button', { class: 'bnl-link', bnl: 'explain-axes', ...explain }, strings.axes.explain),
		);
	}

	#showVerdict(layer: LayerReport): void {
		const h = this.#h;
		const { status } = layer.recompute;
		this.#verdict.dataset.status = status;
		this.#verdict.className = `bnl-detail-verdict bnl-verdict-${status}`;
		replaceChildren(this.#verdict, verdictIcon(h, status), h('span', {}, ...phrases(h, verdictSentence(layer))));
	}
}

function factsOf(layer: LayerReport): string[] {
	const { source, graph, parametersFrom } = layer;
	return [
		...strings.detail.facts(layer),
		source ? strings.detail.fedBy(label(source.op), label(source.name)) : strings.detail.noSource(layer),
		...(source && layer.inferred?.includes('source') ? [strings.detail.inferredSource] : []),
		...(parametersFrom && parametersFrom !== 'initializer'
			? [strings.detail.parametersFrom(label(parametersFrom))]
			: []),
		...(graph ? [strings.detail.inGraph(label(graph))] : []),
	];
}

function verdictSentence(layer: LayerReport): string {
	const { recompute, findings } = layer;
	if (recompute.status === 'pending') {
		return strings.verdictSentence.pending;
	}
	if (recompute.status === 'skipped') {
		return strings.verdictSentence.skipped(fullLabel(recompute.reason));
	}
	const { status, maxAbs, bitExact, reason } = recompute;
	const ratio = boundRatio(layer);
	// The recomputed output is that of single steps; the optimized model may still be wrong.
	const stepByStep = status === 'match' && findings.some(({ code }) => code === 'runtime-fusion-mismatch');
	const numbers = strings.verdictSentence[
		stepByStep ? 'unoptimized' : status === 'match' && bitExact ? 'bitExact' : status
	](formatNumber(maxAbs ?? Number.NaN, 3), ratio === null ? shared.detail.noBound : ratioOf(ratio));
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
