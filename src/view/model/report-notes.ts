import { isCheckpoint } from '../../core/report/formats.js';
import type { Report } from '../../core/report/types.js';
import { fullLabel } from '../text/names.js';
import { type Child, type ElementBuilder, replaceChildren, setVisible } from '../ui/dom.js';
import { icon } from '../ui/icons.js';
import { findingItem } from './findings.js';
import { strings } from './strings.js';

/** Findings about the model as a whole, and the sentences in place of the table when it has no layers. */
export class ReportNotes {
	readonly findings: HTMLElement;
	readonly empty: HTMLElement;
	readonly #h: ElementBuilder;

	constructor(h: ElementBuilder) {
		this.#h = h;
		this.findings = h('ul', { class: 'bnl-finding-list bnl-model-findings' });
		this.empty = h('section', { class: 'bnl-empty', bnl: 'empty' });
	}

	/** @param report null before there is a report. */
	update(report: Report | null): void {
		const findings = report?.findings ?? [];
		const isEmpty = report?.layers.length === 0;
		const notes = report?.model.notes ?? [];
		setVisible(this.findings, findings.length + notes.length > 0);
		setVisible(this.empty, isEmpty);
		replaceChildren(
			this.findings,
			...findings.map((finding) => findingItem(this.#h, finding)),
			...notes.map((note) => this.#note(note)),
		);
		replaceChildren(this.empty, ...(isEmpty ? this.#nothingFound(report) : []));
	}

	#note(text: string): Child {
		return this.#h('li', { class: 'bnl-note', bnl: 'note' }, icon(this.#h, 'info', 'info'), fullLabel(text));
	}

	#nothingFound({ model }: Report): Child[] {
		const h = this.#h;
		return [
			h('h2', {}, strings.empty.title),
			...(isCheckpoint(model)
				? []
				: [
						h('p', {}, strings.empty.found(model.nodes, model.opset)),
						h('p', {}, strings.empty.hint),
						h('p', {}, strings.empty.keep),
					]),
		];
	}
}
