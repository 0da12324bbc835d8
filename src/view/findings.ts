import type { Finding, LayerReport } from '../core/report/types.js';
import type { ElementBuilder } from './dom.js';
import { advice, badge } from './finding-words.js';
import { severityIcon } from './icons.js';
import { severityRank } from './layer-facts.js';
import { fullLabel } from './names.js';
import { phrases } from './phrases.js';
import { strings } from './strings.js';

/** Channels named one by one; the channel table's filter shows the rest. */
const MOST_CHIPS = 12;

/** The findings of a layer in words, the most serious first, each with what to do and buttons for its channels. */
export function findingsList(
	h: ElementBuilder,
	layer: LayerReport,
	onChannel: (channel: number) => void,
): HTMLElement[] {
	if (layer.findings.length === 0) {
		return [h('p', { class: 'bnl-muted' }, strings.detail.noFindings)];
	}
	const sorted = [...layer.findings].sort((a, b) => severityRank(b.severity) - severityRank(a.severity));
	return [h('ul', { class: 'bnl-finding-list' }, ...sorted.map((finding) => findingItem(h, finding, onChannel)))];
}

export function findingItem(
	h: ElementBuilder,
	finding: Finding,
	onChannel: ((channel: number) => void) | null,
): HTMLElement {
	const { code, severity, channels, message } = finding;
	const chips = onChannel
		? channels.slice(0, MOST_CHIPS).map((channel) =>
				h(
					'button',
					{
						class: 'bnl-chip',
						bnl: 'channel-chip',
						data: { channel: String(channel) },
						attributes: { type: 'button', 'aria-label': strings.channel.name(channel) },
						on: { click: () => onChannel(channel) },
					},
					String(channel),
				),
			)
		: [];
	const rest = channels.length - chips.length;
	return h(
		'li',
		{ class: 'bnl-finding', bnl: 'finding', data: { code, severity } },
		severityIcon(h, severity),
		h(
			'div',
			{},
			h(
				'p',
				{},
				h('strong', {}, `${strings.severity[severity]}: ${badge(finding)}. `),
				...phrases(h, fullLabel(message)),
			),
			h('p', { class: 'bnl-muted' }, advice(finding)),
			chips.length > 0 &&
				h('p', { class: 'bnl-chips' }, strings.detail.channels, ...chips, rest > 0 && ` ${strings.detail.more(rest)}`),
		),
	);
}
