import type { Severity } from '../../core/report/severity.js';
import type { Normalization, Recompute } from '../../core/report/types.js';
import { type ElementBuilder, svgElement } from './dom.js';

/** Outlines of 16 px in the style of VS Code. Icons differ in shape, so that color alone carries no meaning. */
const PATHS = {
	check: 'M3.5 8.5l3 3 6-7',
	filter: 'M2.5 4h11M4.8 8h6.4M7 12h2',
	cross: 'M4.5 4.5l7 7m0-7l-7 7',
	warning: 'M8 2.5l6 11H2zM8 6.5v3.2m0 1.8v.2',
	info: 'M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2zM8 7.2v4M8 4.8v.2',
	error: 'M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2zM6 6l4 4m0-4l-4 4',
	skipped: 'M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2zM5 8h6',
	pending: 'M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2zM8 4.8V8l2.2 1.4',
	previous: 'M8 12.5v-9M4 7.5l4-4 4 4',
	next: 'M8 3.5v9M4 8.5l4 4 4-4',
	up: 'M4.5 9.5L8 6l3.5 3.5',
	down: 'M4.5 6.5L8 10l3.5-3.5',
} as const;

export type IconName = keyof typeof PATHS;

/** Meaning of an icon's color. */
export type Tone = 'good' | 'info' | 'warning' | 'error' | 'muted' | 'plain';

export function icon(h: ElementBuilder, name: IconName, tone: Tone = 'plain'): HTMLElement {
	const holder = h('span', {
		class: `bnl-icon bnl-tone-${tone}`,
		attributes: { 'aria-hidden': 'true' },
	});
	const document = holder.ownerDocument;
	holder.appendChild(
		svgElement(
			document,
			'svg',
			{ viewBox: '0 0 16 16', width: '16', height: '16', focusable: 'false' },
			svgElement(document, 'path', {
				d: PATHS[name],
				fill: 'none',
				stroke: 'currentColor',
				'stroke-width': '1.3',
				'stroke-linecap': 'round',
				'stroke-linejoin': 'round',
			}),
		),
	);
	return holder;
}

export function severityIcon(h: ElementBuilder, severity: Severity): HTMLElement {
	return icon(h, severity, severity);
}

const VERDICTS: Readonly<Record<Recompute['status'], readonly [IconName, Tone]>> = {
	match: ['check', 'good'],
	mismatch: ['cross', 'error'],
	skipped: ['skipped', 'muted'],
	pending: ['pending', 'muted'],
};

export function verdictIcon(h: ElementBuilder, status: Recompute['status']): HTMLElement {
	return icon(h, ...VERDICTS[status]);
}

/** Warns if no method explains the layer's output. */
export function methodIcon(h: ElementBuilder, verdict: Normalization['verdict']): HTMLElement {
	return verdict === 'none'
		? icon(h, 'warning', 'warning')
		: verdict === 'cannot-tell'
			? icon(h, 'skipped', 'muted')
			: icon(h, 'check', 'good');
}

export function sortIcon(h: ElementBuilder, descending: boolean): HTMLElement {
	return icon(h, descending ? 'down' : 'up');
}
