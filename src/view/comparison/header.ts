import type { Comparison, OutputComparison } from '../../core/report/comparison.js';
import { comparisonAnswer, outputSentence } from '../../core/report/comparison-summary.js';
import { stageWords } from '../../core/report/stages.js';
import type { ModelSummary } from '../../core/report/types.js';
import { baseName } from '../../core/text/names.js';
import type { Progress } from '../model/header.js';
import { fullLabel, label } from '../text/names.js';
import { strings as shared } from '../text/strings.js';
import type { Handle } from '../ui/attributes.js';
import { append, replaceChildren, setVisible } from '../ui/dom.js';
import { type IconName, icon, type Tone } from '../ui/icons.js';
import { phrases } from '../ui/phrases.js';
import type { ComparisonContext } from './context.js';
import { comparisonTone } from './facts.js';
import { strings } from './strings.js';

const ICONS: Readonly<Record<Tone, IconName>> = {
	good: 'check',
	info: 'info',
	warning: 'warning',
	error: 'error',
	muted: 'pending',
	plain: 'info',
};

const OUTPUT_ICONS: Readonly<Record<OutputComparison['status'], readonly [IconName, Tone]>> = {
	match: ['check', 'good'],
	mismatch: ['cross', 'error'],
	skipped: ['skipped', 'muted'],
};

/** Top of the page: which models, the answer, whether their outputs agree, and what is under way. */
export class ComparisonHeader {
	readonly element: HTMLElement;
	readonly #title: HTMLElement;
	readonly #facts: HTMLElement;
	readonly #answer: HTMLElement;
	readonly #notes: HTMLElement;
	readonly #outputs: HTMLElement;
	readonly #progress: HTMLElement;
	readonly #progressText: HTMLElement;
	readonly #bar: HTMLProgressElement;
	readonly #buttons: HTMLElement;

	constructor(private readonly context: ComparisonContext) {
		const { h, actions } = context;
		this.#title = h('h1', { class: 'bnl-title', bnl: 'title' });
		this.#facts = h('ul', { class: 'bnl-facts' });
		this.#answer = h('p', { class: 'bnl-answer', bnl: 'answer' });
		this.#notes = h('ul', { class: 'bnl-notes', attributes: { 'aria-label': strings.header.notes } });
		this.#outputs = h('p', { class: 'bnl-run', bnl: 'outputs' });
		this.#bar = h('progress', { class: 'bnl-progress-bar', attributes: { 'aria-label': strings.page.comparing } });
		this.#progressText = h('span', { class: 'bnl-progress-text' });
		const button = (text: string, bnl: Handle, click: () => void) =>
			h('button', { class: 'bnl-button', bnl, attributes: { type: 'button' }, on: { click } }, text);
		const { cancel, compare, showLog } = actions;
		this.#progress = h(
			'div',
			{ class: 'bnl-progress', bnl: 'progress' },
			this.#progressText,
			this.#bar,
			cancel && button(shared.run.cancel, 'cancel', () => cancel()),
		);
		this.#buttons = h(
			'div',
			{ class: 'bnl-run-buttons' },
			compare && button(strings.header.swap, 'swap', () => compare('swapped')),
			compare && button(strings.header.again, 'run-again', () => compare('same')),
			showLog && button(shared.run.showLog, 'show-log', () => showLog()),
		);
		this.element = h(
			'header',
			{ class: 'bnl-header' },
			h('div', { class: 'bnl-title-line' }, this.#title, this.#facts),
			this.#answer,
			this.#notes,
			h('div', { class: 'bnl-run-line' }, this.#outputs, this.#progress, this.#buttons),
		);
		setVisible(this.#progress, false);
	}

	update(comparison: Comparison): void {
		const { h } = this.context;
		this.#showModels(comparison);
		const tone = comparisonTone(comparison);
		this.#answer.dataset.severity = tone;
		const answer = phrases(h, fullLabel(comparisonAnswer(comparison)));
		replaceChildren(this.#answer, icon(h, ICONS[tone], tone), h('span', {}, ...answer));
		// Without layers the first note is the answer.
		const notes = comparison.layers.length === 0 ? comparison.notes.slice(1) : comparison.notes;
		setVisible(this.#notes, notes.length > 0);
		replaceChildren(
			this.#notes,
			...notes.map((note) =>
				h('li', { class: 'bnl-note', bnl: 'note' }, icon(h, 'info', 'info'), h('span', {}, fullLabel(note))),
			),
		);
		this.#showOutputs(comparison.outputs);
	}

	get answerText(): string {
		return this.#answer.textContent ?? '';
	}

	setProgress(progress: Progress | null): void {
		setVisible(this.#progress, progress !== null);
		setVisible(this.#buttons, progress === null);
		if (!progress) {
			return;
		}
		const stage = stageWords(progress.stage);
		this.#progress.dataset.stage = progress.stage;
		this.#progressText.textContent = shared.run.progress(stage, progress.done, progress.total);
		if (progress.total > 0) {
			this.#bar.max = progress.total;
			this.#bar.value = progress.done;
		} else {
			this.#bar.removeAttribute('value');
		}
	}

	#showModels({ original, deployed }: Comparison): void {
		const { h } = this.context;
		const name = (model: ModelSummary): string => label(baseName(model.path)) || shared.model.noFile;
		this.#title.textContent = strings.header.title(name(original), name(deployed));
		this.#title.title = fullLabel(strings.header.title(original.path, deployed.path));
		const facts = (role: string, model: ModelSummary): string =>
			`${role}: ${shared.model.size(model.bytes)}, ${shared.model.nodes(model.nodes)}, ${label(model.producer) || shared.model.unknownProducer}`;
		const both = [facts(strings.header.original, original), facts(strings.header.deployed, deployed)];
		replaceChildren(this.#facts, ...both.map((fact) => h('li', {}, fact)));
	}

	#showOutputs(outputs: OutputComparison | undefined): void {
		const { h } = this.context;
		replaceChildren(this.#outputs);
		delete this.#outputs.dataset.status;
		if (outputs) {
			this.#outputs.dataset.status = outputs.status;
			const sentence = phrases(h, fullLabel(outputSentence(outputs)));
			append(this.#outputs, [icon(h, ...OUTPUT_ICONS[outputs.status]), h('span', {}, ...sentence)]);
		}
	}
}
