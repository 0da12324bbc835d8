import { CAUSES } from '../../core/report/causes.js';
import type { LayerComparison } from '../../core/report/comparison.js';
import { causeAdvice } from '../../core/report/comparison-summary.js';
import { formatNumber } from '../../core/text/numbers.js';
import { capitalize } from '../../core/text/sentences.js';
import { channelChips, pressChips } from '../shared/channel-chips.js';
import { DetailHead, type DetailHeadEvents } from '../shared/detail-head.js';
import { PlotPanel } from '../shared/plot-panel.js';
import { fullLabel, label } from '../text/names.js';
import { strings as shared } from '../text/strings.js';
import { COMPARISON_PLOTS } from '../ui/attributes.js';
import { type Child, replaceChildren, setVisible } from '../ui/dom.js';
import { icon } from '../ui/icons.js';
import { phrases } from '../ui/phrases.js';
import { type ComparedChannelEvents, ComparedChannels } from './channel-table.js';
import type { ComparisonContext } from './context.js';
import { channelCount, isExplained, STATUS_ICONS } from './facts.js';
import { plotDefinition } from './plots/figures.js';
import type { ComparisonState } from './state.js';
import { strings } from './strings.js';

export interface ComparedDetailEvents extends DetailHeadEvents, ComparedChannelEvents {}

/** Channels offered as buttons; the table has them all. */
const MOST_CHIPS = 24;
/** More units in the last place than a float32 has digits for say nothing that the error does not. */
const MOST_ULPS = 2 ** 24;

/** The chosen layer: what was found, why, what to do, plots and the table of the same numbers. */
export class ComparedDetail {
	readonly element: HTMLElement;
	readonly #head: DetailHead;
	readonly #evidence: HTMLElement;
	readonly #numbers: HTMLElement;
	readonly #channels: HTMLElement;
	readonly #advice: HTMLElement;
	readonly #also: HTMLElement;
	readonly #comparison: HTMLElement;
	readonly #panels: readonly PlotPanel<LayerComparison>[];
	readonly #table: ComparedChannels;
	#layer: LayerComparison | null = null;
	#channel: number | null = null;
	/** Drawing for a layer that is no longer shown stops. */
	#generation = 0;

	constructor(
		private readonly context: ComparisonContext,
		private readonly events: ComparedDetailEvents,
	) {
		const { h } = context;
		this.#head = new DetailHead(h, events);
		this.#evidence = h('p', { class: 'bnl-detail-verdict', bnl: 'evidence' });
		this.#numbers = h('p', { class: 'bnl-muted' });
		this.#channels = h('div');
		this.#advice = h('ul', { class: 'bnl-advice', bnl: 'advice' });
		this.#also = h('p', { class: 'bnl-muted' });
		this.#panels = COMPARISON_PLOTS.map(
			(kind) => new PlotPanel(context, plotDefinition(kind), (channel) => events.onChannel(channel)),
		);
		this.#table = new ComparedChannels(context, events);
		const section = (title: string, ...children: readonly Child[]): HTMLElement =>
			h('section', { class: 'bnl-section' }, h('h3', {}, title), ...children);
		this.#comparison = h(
			'div',
			{},
			section(
				strings.detail.plots,
				this.#table.readout,
				h('div', { class: 'bnl-plots' }, ...this.#panels.map((panel) => panel.element)),
			),
			section(strings.detail.table, this.#table.element),
		);
		this.element = h(
			'section',
			{ class: 'bnl-detail', bnl: 'detail' },
			this.#head.element,
			this.#evidence,
			this.#numbers,
			this.#channels,
			section(strings.detail.advice, this.#advice, this.#also),
			this.#comparison,
		);
	}

	show(layer: LayerComparison, place: { readonly index: number; readonly all: number }, state: ComparisonState): void {
		this.#layer = layer;
		this.#channel = state.channel;
		this.element.dataset.layer = String(place.index);
		this.element.setAttribute('aria-label', shared.detail.label(label(layer.name)));
		this.#head.show(layer.name, factsOf(layer), place);
		this.#showEvidence(layer);
		pressChips(this.#channels, state.channel);
		this.#showAdvice(layer);
		setVisible(this.#comparison, channelCount(layer) > 0);
		this.#table.show(layer, state);
		this.redraw();
	}

	selectChannel(state: ComparisonState): void {
		this.#channel = state.channel;
		for (const panel of this.#panels) {
			panel.select(state.channel);
		}
		pressChips(this.#channels, state.channel);
		this.#table.select(state);
	}

	updateTable(state: ComparisonState): void {
		if (this.#layer) {
			this.#table.show(this.#layer, state);
		}
	}

	/** Draws the plots one after the other, giving the page room to breathe between them. */
	redraw(): void {
		const layer = this.#layer;
		const generation = ++this.#generation;
		if (!layer || channelCount(layer) === 0) {
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

	async #draw(current: () => boolean): Promise<void> {
		try {
			const plotly = await this.context.plotly();
			for (const panel of this.#panels) {
				if (!current()) {
					return;
				}
				await panel.draw(plotly, this.#channel);
				await new Promise((resolve) => setTimeout(resolve, 0));
			}
			this.context.actions.mark?.('plots');
		} catch (error) {
			for (const panel of this.#panels) {
				panel.fail(error);
			}
		}
	}

	#showEvidence(layer: LayerComparison): void {
		const { h } = this.context;
		const { status, evidence, maxAbs, maxUlp, bound, details } = layer;
		this.#evidence.dataset.status = status;
		replaceChildren(
			this.#evidence,
			icon(h, ...STATUS_ICONS[status]),
			h('span', {}, ...phrases(h, fullLabel(evidence))),
		);
		const ulp = maxUlp === null || maxUlp > MOST_ULPS ? '' : shared.verdictSentence.ulp(maxUlp);
		const allowed = bound === null ? shared.verdictSentence.noBound : formatNumber(bound, 3);
		const numbers = maxAbs === null ? '' : strings.detail.numbers(formatNumber(maxAbs, 3), ulp, allowed);
		replaceChildren(this.#numbers, ...phrases(h, numbers));
		setVisible(this.#numbers, numbers !== '');
		replaceChildren(
			this.#channels,
			this.#unexplained(layer),
			this.#chips(strings.detail.notIdentifiable, details.notIdentifiable),
		);
	}

	/** Without a cause these are the wrong channels, and all of them are no news. */
	#unexplained(layer: LayerComparison): Child {
		const { unexplained } = layer.details;
		if (layer.cause !== null && layer.cause !== 'unknown') {
			return this.#chips(strings.detail.unexplained, unexplained);
		}
		const isEvery = Array.isArray(unexplained) && unexplained.length >= channelCount(layer);
		return isEvery ? null : this.#chips(strings.detail.wrong, unexplained);
	}

	/** Buttons for the channels of a list that the comparison brings along. */
	#chips(title: string, list: unknown): Child {
		const { h } = this.context;
		const channels = Array.isArray(list) ? list.filter((value): value is number => Number.isSafeInteger(value)) : [];
		if (channels.length === 0) {
			return null;
		}
		const onChannel = (channel: number | null): void => this.events.onChannel(channel);
		return h('div', { class: 'bnl-chips' }, title, ...channelChips(h, { channels, most: MOST_CHIPS, onChannel }));
	}

	#showAdvice(layer: LayerComparison): void {
		const { h } = this.context;
		replaceChildren(
			this.#advice,
			...adviceOn(layer).map(({ code, title, text }) =>
				h('li', { data: { cause: code } }, title && h('strong', {}, `${title}: `), ...phrases(h, text)),
			),
		);
		const others = layer.alternatives.map(({ causes, confidence }) =>
			strings.detail.causeWithConfidence(
				causes.map((code) => CAUSES[code].title).join(' + '),
				strings.confidence(confidence),
			),
		);
		this.#also.textContent = others.length > 0 ? `${strings.detail.also}${others.join('; ')}.` : '';
		setVisible(this.#also, others.length > 0);
	}
}

interface Advice {
	readonly code: string;
	/** '' where there is only one thing to say. */
	readonly title: string;
	readonly text: string;
}

/** What to do about each cause; where there is none, what the status asks for. */
export function adviceOn(layer: LayerComparison): readonly Advice[] {
	const { status, causes, cause } = layer;
	const all = causes.length > 0 ? causes : cause ? [cause] : [];
	if (all.length > 0) {
		return all.map((code) => {
			const title = all.length > 1 ? capitalize(CAUSES[code].title) : '';
			return { code, title, text: causeAdvice(code, layer) };
		});
	}
	switch (status) {
		case 'kept':
			return [{ code: '', title: '', text: strings.detail.kept }];
		case 'unmatched':
			return [{ code: '', title: '', text: strings.detail.unmatched }];
		case 'mismatch':
			return [{ code: 'unknown', title: '', text: CAUSES.unknown.advice }];
		case 'not-identifiable':
			return [{ code: 'not-identifiable', title: '', text: CAUSES['not-identifiable'].advice }];
		case 'match':
			return [{ code: '', title: '', text: strings.detail.nothing }];
	}
}

function factsOf(layer: LayerComparison): string[] {
	const { into, status, confidence } = layer;
	const words = strings.detail;
	const channels = channelCount(layer);
	const place = status === 'kept' ? words.keptBehind : words.into;
	return [
		...(into ? [place(label(into.op), label(into.name)), words.weight(label(into.weight))] : [strings.layers.nowhere]),
		...(into ? [into.bias === null ? words.noBias : words.bias(label(into.bias))] : []),
		...(channels > 0 ? [words.channels(channels)] : []),
		...(isExplained(layer) ? [words.confidence(strings.confidence(confidence))] : []),
	];
}
