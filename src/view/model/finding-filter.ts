import { type FindingFact, findingFacts, findingKind } from '../../core/report/finding-facts.js';
import { findingWords } from '../../core/report/findings.js';
import { type Severity, severityRank } from '../../core/report/severity.js';
import type { LayerReport } from '../../core/report/types.js';
import { capitalize } from '../../core/text/sentences.js';
import { findingTone } from '../shared/layer-facts.js';
import { type Child, type ElementBuilder, replaceChildren, setVisible } from '../ui/dom.js';
import { icon, severityIcon } from '../ui/icons.js';
import { strings } from './strings.js';

/** Findings that the table is limited to: '' for all layers, a {@link findingKind}, or "any", "warning", "error". */
export type FindingChoice = string;

/** Smallest severity for a choice by severity. */
const BY_SEVERITY: Readonly<Record<string, Severity>> = { any: 'info', warning: 'warning', error: 'error' };

/** Returns true if a layer has a chosen finding. */
export function hasFinding({ findings }: Pick<LayerReport, 'findings'>, choice: FindingChoice): boolean {
	const least = BY_SEVERITY[choice];
	return (
		choice === '' ||
		findings.some((finding) =>
			least === undefined ? findingKind(finding) === choice : severityRank(finding.severity) >= severityRank(least),
		)
	);
}

/** Lists the warnings and errors of a model as chips, worst first, and a select that limits the table to a finding. */
export class FindingFilter {
	/** Chips below the headline. */
	readonly chips: HTMLElement;
	/** Choice in the toolbar of the table. */
	readonly select: HTMLSelectElement;
	readonly #h: ElementBuilder;
	readonly #onChoose: (choice: FindingChoice) => void;
	/** Content that the elements were built for. */
	#shown = '';

	constructor(h: ElementBuilder, onChoose: (choice: FindingChoice) => void) {
		this.#h = h;
		this.#onChoose = onChoose;
		this.chips = h('ul', { class: 'bnl-facts-list', bnl: 'facts', attributes: { 'aria-label': strings.facts.label } });
		this.select = h('select', {
			class: 'bnl-select',
			bnl: 'finding-filter',
			attributes: { 'aria-label': strings.facts.filter },
			on: { change: () => onChoose(this.select.value) },
		});
	}

	update(layers: readonly LayerReport[], choice: FindingChoice): void {
		const facts = findingFacts(layers).filter(({ text }) => text !== '');
		const content = JSON.stringify(facts);
		if (content !== this.#shown) {
			this.#shown = content;
			this.#build(facts, layers);
		}
		setVisible(
			this.chips,
			facts.some(({ severity }) => severity !== 'info'),
		);
		setVisible(this.select, facts.length > 0);
		this.select.value = choice;
		for (const chip of this.chips.querySelectorAll('button')) {
			chip.setAttribute('aria-pressed', String(chip.dataset.kind === choice));
		}
	}

	#build(facts: readonly FindingFact[], layers: readonly LayerReport[]): void {
		const h = this.#h;
		replaceChildren(
			this.chips,
			...facts.filter(({ severity }) => severity !== 'info').map((fact) => h('li', {}, this.#chip(fact))),
		);
		const words = strings.facts;
		const atLeast = (choice: string) => layers.filter((layer) => hasFinding(layer, choice)).length;
		const option = (value: string, text: string, layerCount: number): Child =>
			layerCount > 0 && h('option', { attributes: { value } }, words.option(text, layerCount));
		replaceChildren(
			this.select,
			h('option', { attributes: { value: '' } }, words.all),
			option('error', words.error, atLeast('error')),
			option('warning', words.warning, atLeast('warning')),
			option('any', words.any, atLeast('any')),
			h(
				'optgroup',
				{ attributes: { label: words.kinds } },
				...facts.map((fact) => option(findingKind(fact), findingWords(fact).title, fact.layers.length)),
			),
		);
	}

	#chip(fact: FindingFact): HTMLElement {
		const kind = findingKind(fact);
		const { code, severity } = fact;
		const chip = this.#h(
			'button',
			{
				class: 'bnl-chip bnl-fact',
				bnl: 'fact',
				data: { code, severity, kind },
				attributes: { type: 'button', 'aria-pressed': 'false', title: strings.facts.show(findingWords(fact).help) },
				on: { click: () => this.#onChoose(chip.getAttribute('aria-pressed') === 'true' ? '' : kind) },
			},
			severityIcon(this.#h, findingTone(fact)),
			capitalize(fact.text),
			icon(this.#h, 'filter', 'muted'),
			icon(this.#h, 'cross'),
		);
		return chip;
	}
}
