import type { Report } from '../../core/report/types.js';
import { fullLabel } from '../text/names.js';
import { strings } from '../text/strings.js';
import { type Child, type ElementBuilder, replaceChildren, setVisible } from '../ui/dom.js';
import { icon } from '../ui/icons.js';
import { findingItem } from './findings.js';

export interface FrameParts {
	readonly header: HTMLElement;
	readonly overview: HTMLElement;
	readonly layers: HTMLElement;
	readonly detail: HTMLElement;
}

/**
 * The outermost element and what stands around the parts of a page: what to say before there is a report, when there
 * cannot be one, when the file changed for the worse, and when there is nothing to show in it.
 */
export class Frame {
	readonly element: HTMLElement;
	readonly #live: HTMLElement;
	readonly #banner: HTMLElement;
	readonly #opening: HTMLElement;
	readonly #failure: HTMLElement;
	readonly #empty: HTMLElement;
	readonly #findings: HTMLElement;
	readonly #body: HTMLElement;

	constructor(
		private readonly h: ElementBuilder,
		layout: 'page' | 'embedded',
		private readonly parts: FrameParts,
	) {
		this.#live = h('div', { class: 'bnl-live', bnl: 'live', attributes: { role: 'status', 'aria-live': 'polite' } });
		this.#banner = h('p', { class: 'bnl-banner', bnl: 'banner', attributes: { role: 'alert' } });
		this.#opening = h('p', { class: 'bnl-opening bnl-muted' }, strings.page.opening);
		this.#failure = h('section', { class: 'bnl-failure', bnl: 'failure', attributes: { role: 'alert' } });
		this.#empty = h('section', { class: 'bnl-empty', bnl: 'empty' });
		this.#findings = h('ul', { class: 'bnl-finding-list bnl-model-findings' });
		this.#body = h('div', { class: 'bnl-body' }, parts.layers, parts.detail);
		this.element = h(
			'div',
			{ class: 'bnl', bnl: 'page', data: { layout } },
			...[this.#live, this.#banner, this.#opening, this.#failure],
			...[parts.header, this.#findings, parts.overview, this.#empty, this.#body],
		);
	}

	/** Shows what belongs to a report, or to waiting for one. A failure without a report takes the page. */
	update(report: Report | null): void {
		const hasLayers = (report?.layers.length ?? 0) > 0;
		setVisible(this.#banner, this.#banner.textContent !== '');
		setVisible(this.#failure, this.#failure.childElementCount > 0);
		setVisible(this.#opening, report === null && this.#failure.childElementCount === 0);
		setVisible(this.parts.header, report !== null);
		setVisible(this.#findings, (report?.findings.length ?? 0) > 0);
		setVisible(this.parts.overview, hasLayers);
		setVisible(this.#body, hasLayers);
		setVisible(this.#empty, report !== null && !hasLayers);
		replaceChildren(this.#findings, ...(report?.findings ?? []).map((finding) => findingItem(this.h, finding, null)));
		replaceChildren(this.#empty, ...(report && !hasLayers ? this.#nothingFound(report) : []));
	}

	set hasDetail(shown: boolean) {
		setVisible(this.parts.detail, shown);
		this.element.classList.toggle('bnl-has-detail', shown);
	}

	announce(text: string): void {
		this.#live.textContent = text;
	}

	/** A warning above the page; '' takes it away. */
	set banner(text: string) {
		this.#banner.textContent = fullLabel(text);
		setVisible(this.#banner, text !== '');
	}

	/** The one sentence that stands for the page; '' takes it away. */
	set failure(message: string) {
		const { h } = this;
		const content: Child[] = [
			icon(h, 'error', 'error'),
			h('div', {}, h('h1', {}, strings.failure.title), h('p', {}, fullLabel(message))),
		];
		replaceChildren(this.#failure, ...(message === '' ? [] : content));
	}

	#nothingFound({ model }: Report): Child[] {
		const { h } = this;
		return [
			h('h2', {}, strings.empty.title),
			h('p', {}, strings.empty.found(model.nodes, model.opset)),
			h('p', {}, strings.empty.hint),
		];
	}
}
