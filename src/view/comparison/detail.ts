import { CAUSES } from '../../core/report/causes.js';
import type { LayerComparison } from '../../core/report/comparison/comparison.js';
import { causeAdvice, hasConfidence, isOtherWeights, namedCauses } from '../../core/report/comparison/summary.js';
import { formatNumber, ratioOf } from '../../core/text/numbers.js';
import { capitalize } from '../../core/text/sentences.js';
import { channelChips } from '../shared/channel-chips.js';
import {
	type ChannelElements,
	type DetailContent,
	type DetailEvents,
	LayerDetail,
	section,
} from '../shared/layer-detail.js';
import { button } from '../shared/page-header.js';
import { fullLabel, label } from '../text/names.js';
import { strings as shared } from '../text/strings.js';
import { COMPARISON_PLOTS } from '../ui/attributes.js';
import { type Child, type ElementBuilder, replaceChildren, setVisible } from '../ui/dom.js';
import { icon } from '../ui/icons.js';
import { phrases } from '../ui/phrases.js';
import { COMPARED_CHANNEL_TABLE } from './channel-columns.js';
import type { ComparisonContext } from './context.js';
import { boundRatio, channelCount, STATUS_ICONS } from './facts.js';
import { plotDefinition } from './plots/figures.js';
import type { ComparisonState } from './state.js';
import { strings } from './strings.js';

/** Largest number of channel buttons; the table has all channels. */
const MAX_CHIPS = 24;
/** Largest error shown in units in the last place. Above it no digit of the float32 is right. */
const MAX_ULPS = 2 ** 24;

/** Creates the detail of a compared layer. */
export function createDetail(
	context: ComparisonContext,
	events: DetailEvents,
): LayerDetail<LayerComparison, ComparisonState> {
	return new LayerDetail(context, events, {
		plots: COMPARISON_PLOTS.map(plotDefinition),
		table: COMPARED_CHANNEL_TABLE,
		onlyMarked: ({ onlyWrong }) => onlyWrong,
		createContent: (channels) => new ComparedDetail(context, events, channels),
	});
}

/** Content of the detail: evidence, cause, advice, plots and the table of the same numbers. */
class ComparedDetail implements DetailContent<LayerComparison> {
	readonly elements: readonly HTMLElement[];
	readonly chips: HTMLElement;
	readonly #h: ElementBuilder;
	readonly #events: DetailEvents;
	/** `comparison` holds the parts that need values per channel. */
	readonly #parts: Readonly<Record<'evidence' | 'numbers' | 'advice' | 'repair' | 'also' | 'comparison', HTMLElement>>;

	constructor(
		{ h, actions }: ComparisonContext,
		events: DetailEvents,
		{ readout, plots, table }: ChannelElements<LayerComparison>,
	) {
		this.#h = h;
		this.#events = events;
		const muted = () => h('p', { class: 'bnl-muted' });
		const parts = {
			evidence: h('p', { class: 'bnl-detail-verdict', bnl: 'evidence' }),
			numbers: muted(),
			advice: h('ul', { class: 'bnl-advice', bnl: 'advice' }),
			repair: h(
				'p',
				{ class: 'bnl-repair' },
				button(h, strings.header.repair, 'repair-layer', () => actions.repair?.()),
				h('span', { class: 'bnl-muted' }, strings.detail.repair),
			),
			also: muted(),
			comparison: h(
				'div',
				{},
				section(h, strings.detail.plots, plots, readout),
				section(h, shared.detail.table, table),
			),
		};
		this.chips = h('div');
		this.#parts = parts;
		const advice = section(h, strings.detail.advice, parts.advice, actions.repair && parts.repair, parts.also);
		this.elements = [parts.evidence, parts.numbers, this.chips, advice, parts.comparison];
	}

	factsOf(layer: LayerComparison): readonly string[] {
		return factsOf(layer);
	}

	show(layer: LayerComparison): boolean {
		this.#showEvidence(layer);
		this.#showAdvice(layer);
		setVisible(this.#parts.repair, layer.status === 'mismatch' && !isOtherWeights(layer));
		const hasChannels = channelCount(layer) > 0;
		setVisible(this.#parts.comparison, hasChannels);
		return hasChannels;
	}

	#showEvidence(layer: LayerComparison): void {
		const h = this.#h;
		const { status, evidence, details } = layer;
		this.#parts.evidence.dataset.status = status;
		replaceChildren(
			this.#parts.evidence,
			icon(h, ...STATUS_ICONS[status]),
			h('span', {}, ...phrases(h, fullLabel(evidence))),
		);
		const numbers = numbersOf(layer);
		replaceChildren(this.#parts.numbers, ...phrases(h, numbers));
		this.#parts.numbers.title = amountsOf(layer);
		this.#parts.evidence.title = amountsOf(layer);
		setVisible(this.#parts.numbers, numbers !== '');
		replaceChildren(
			this.chips,
			this.#unexplained(layer),
			this.#channelButtons(strings.detail.notIdentifiable, details.notIdentifiable),
			...(layer.findings ?? []).flatMap(({ message, channels }) => [
				h('p', { class: 'bnl-finding-line' }, icon(h, 'warning', 'warning'), h('span', {}, fullLabel(message))),
				this.#channelButtons(strings.detail.precisionLost, channels),
			]),
		);
	}

	/** Lists the unexplained channels; without a cause the wrong channels, unless all are wrong. */
	#unexplained(layer: LayerComparison): Child {
		const { unexplained } = layer.details;
		if (layer.cause !== null && layer.cause !== 'unknown') {
			return this.#channelButtons(strings.detail.unexplained, unexplained);
		}
		const isEvery = unexplained !== undefined && unexplained.length >= channelCount(layer);
		return isEvery ? null : this.#channelButtons(strings.detail.wrong, unexplained);
	}

	/** Returns buttons for a list of channels from the comparison's details. */
	#channelButtons(title: string, channels: readonly number[] = []): Child {
		const h = this.#h;
		if (channels.length === 0) {
			return null;
		}
		const onChannel = (channel: number | null): void => this.#events.onChannel(channel);
		return h('div', { class: 'bnl-chips' }, title, ...channelChips(h, { channels, most: MAX_CHIPS, onChannel }));
	}

	#showAdvice(layer: LayerComparison): void {
		const h = this.#h;
		replaceChildren(
			this.#parts.advice,
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
		this.#parts.also.textContent = others.length > 0 ? `${strings.detail.also}${others.join('; ')}.` : '';
		setVisible(this.#parts.also, others.length > 0);
	}
}

interface Advice {
	readonly code: string;
	/** Title of the cause; '' for a single piece of advice. */
	readonly title: string;
	readonly text: string;
}

/** Returns the advice on each cause, or on the status if no cause is known. */
export function adviceOn(layer: LayerComparison): readonly Advice[] {
	const { status } = layer;
	const all = namedCauses(layer);
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

/**
 * Returns the largest error of a layer with a named cause on one scale, that of its bound. Other evidence has this number.
 */
function numbersOf(layer: LayerComparison): string {
	const ratio = boundRatio(layer);
	return hasConfidence(layer) && ratio !== null ? strings.detail.numbers(ratioOf(ratio)) : '';
}

/** Returns the same error as a number, in units in the last place, and its bound. */
function amountsOf({ maxAbs, maxUlp, bound }: LayerComparison): string {
	if (maxAbs === null) {
		return '';
	}
	const ulp = maxUlp === null || maxUlp > MAX_ULPS ? '' : shared.detail.ulp(maxUlp);
	const allowed = bound === null ? shared.detail.noBound : formatNumber(bound, 3);
	return strings.detail.amounts(formatNumber(maxAbs, 3), ulp, allowed);
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
		...(hasConfidence(layer) ? [words.confidence(strings.confidence(confidence))] : []),
	];
}
