import { driftInTraining } from '../../core/inspection/layer-drift.js';
import { findingWords } from '../../core/report/findings.js';
import type { Finding, LayerReport } from '../../core/report/types.js';
import { channelChips } from '../shared/channel-chips.js';
import { findingTone, findingWeight } from '../shared/layer-facts.js';
import { button } from '../shared/page-header.js';
import { fullLabel } from '../text/names.js';
import { disclosure, type ElementBuilder } from '../ui/dom.js';
import { severityIcon } from '../ui/icons.js';
import { phrases } from '../ui/phrases.js';
import type { ViewActions } from './context.js';
import { strings } from './strings.js';

/** Maximum number of channel buttons; the table shows all. */
const MAX_CHIPS = 12;

/** Commands that remove the cause of a finding. */
export type Remedies = Pick<ViewActions, 'reestimate' | 'preprocess' | 'inference'>;

/** Returns the findings of a layer, the most serious first, with advice and buttons for their channels. */
export function findingsList(
	h: ElementBuilder,
	layer: LayerReport,
	onChannel: (channel: number | null) => void,
	actions: Remedies,
): HTMLElement[] {
	if (layer.findings.length === 0) {
		const { noFindings, notExamined } = strings.detail;
		return [h('p', { class: 'bnl-muted' }, layer.parameters ? noFindings : notExamined)];
	}
	const sorted = [...layer.findings].sort((a, b) => findingWeight(b, layer) - findingWeight(a, layer));
	const list = (findings: readonly Finding[]): HTMLElement =>
		h(
			'ul',
			{ class: 'bnl-finding-list' },
			...findings.map((finding) => {
				const drift = finding.code === 'training-mode' ? driftInTraining(layer) : undefined;
				return findingItem(h, finding, { onChannel, remedies: actions, drift });
			}),
		);
	const notes = sorted.filter(({ severity }) => severity === 'info');
	const grave = sorted.filter(({ severity }) => severity !== 'info');
	if (grave.length === 0 || notes.length === 0) {
		return [list(sorted)];
	}
	// Notes need no action, so they leave the room to plots.
	return [list(grave), disclosure(h, strings.detail.notes(notes.length), list(notes))];
}

interface FindingParts {
	readonly onChannel?: (channel: number | null) => void;
	readonly remedies?: Remedies;
	/** Drift of the data from statistics that the remedy of the finding would use. */
	readonly drift?: Finding | undefined;
}

export function findingItem(
	h: ElementBuilder,
	finding: Finding,
	{ onChannel, remedies: { reestimate, preprocess, inference } = {}, drift }: FindingParts = {},
): HTMLElement {
	const { code, severity, channels, message } = finding;
	const words = findingWords(finding);
	const isMild = findingTone(finding) !== severity;
	const chips = onChannel && channels.length > 0 ? channelChips(h, { channels, most: MAX_CHIPS, onChannel }) : [];
	return h(
		'li',
		{ class: 'bnl-finding', bnl: 'finding', data: { code, severity } },
		severityIcon(h, findingTone(finding)),
		h(
			'div',
			{},
			h(
				'p',
				{},
				h('strong', {}, `${isMild ? strings.harmless : strings.severity[severity]}: ${words.title}. `),
				...phrases(h, fullLabel(message)),
			),
			h('p', { class: 'bnl-muted' }, words.advice),
			code === 'statistics-drift' &&
				(reestimate || preprocess) &&
				h(
					'p',
					{ class: 'bnl-remedies' },
					preprocess && button(h, strings.detail.preprocess, 'preprocess', preprocess),
					reestimate && button(h, strings.detail.reestimate, 'reestimate', reestimate),
				),
			drift && h('p', {}, ...phrases(h, fullLabel(strings.detail.inferenceDrift(drift.message)))),
			code === 'training-mode' &&
				inference &&
				h(
					'p',
					{ class: 'bnl-remedies' },
					button(h, strings.detail.inference, 'inference', inference),
					drift && reestimate && button(h, strings.detail.reestimate, 'reestimate', reestimate),
				),
			chips.length > 0 && h('p', { class: 'bnl-chips' }, strings.detail.channels, ...chips),
		),
	);
}
