import type { Comparison } from '../../core/report/comparison/comparison.js';
import { comparisonHeadline, outputSentence } from '../../core/report/comparison/summary.js';
import { formatWords, isCheckpoint } from '../../core/report/formats.js';
import type { OutputComparison } from '../../core/report/output-comparison.js';
import type { ModelSummary } from '../../core/report/types.js';
import { baseName } from '../../core/text/names.js';
import { button, type Progress, ProgressBar, TitleAndAnswer } from '../shared/page-header.js';
import { fullLabel, label } from '../text/names.js';
import { strings as shared } from '../text/strings.js';
import { append, type ElementBuilder, replaceChildren, setVisible } from '../ui/dom.js';
import { type IconName, icon, type Tone } from '../ui/icons.js';
import { phrases } from '../ui/phrases.js';
import type { ComparisonContext } from './context.js';
import { comparisonTone } from './facts.js';
import { strings } from './strings.js';

const OUTPUT_ICONS: Readonly<Record<OutputComparison['status'], readonly [IconName, Tone]>> = {
	match: ['check', 'good'],
	mismatch: ['cross', 'error'],
	skipped: ['skipped', 'muted'],
};

/** Top of the page: both models, the answer, the comparison of their outputs, and progress. */
export class ComparisonHeader {
	readonly element: HTMLElement;
	readonly #h: ElementBuilder;
	readonly #top: TitleAndAnswer;
	readonly #notes: HTMLElement;
	readonly #outputs: HTMLElement;
	readonly #progress: ProgressBar;
	readonly #buttons: HTMLElement;
	readonly #repair: HTMLElement;

	constructor(context: ComparisonContext) {
		const { h, actions } = context;
		this.#h = h;
		this.#top = new TitleAndAnswer(h);
		this.#notes = h('ul', { class: 'bnl-notes', attributes: { 'aria-label': strings.header.notes } });
		this.#outputs = h('p', { class: 'bnl-run', bnl: 'outputs' });
		this.#progress = new ProgressBar(context, strings.page.comparing);
		this.#repair = button(h, strings.header.repair, 'repair', () => actions.repair?.());
		setVisible(this.#repair, false);
		this.#buttons = h(
			'div',
			{ class: 'bnl-run-buttons' },
			actions.repair && this.#repair,
			actions.compare && button(h, strings.header.swap, 'swap', () => actions.compare?.('swapped')),
			actions.compare && button(h, strings.header.again, 'run-again', () => actions.compare?.('same')),
			actions.showLog && button(h, shared.run.showLog, 'show-log', () => actions.showLog?.()),
		);
		this.element = h(
			'header',
			{ class: 'bnl-header' },
			this.#top.titleLine,
			this.#top.answer,
			this.#notes,
			h('div', { class: 'bnl-run-line' }, this.#outputs, this.#progress.element, this.#buttons),
		);
	}

	update(comparison: Comparison): void {
		this.#showModels(comparison);
		this.#top.showAnswer(comparisonHeadline(comparison), comparisonTone(comparison));
		// Without layers the first note is the answer.
		this.#showNotes(comparison.layers.length === 0 ? comparison.notes.slice(1) : comparison.notes);
		this.#showOutputs(comparison.outputs);
		setVisible(this.#repair, comparison.summary.mismatch > 0);
	}

	get answerText(): string {
		return this.#top.answer.textContent ?? '';
	}

	/** @param progress null when no comparison is under way. */
	setProgress(progress: Progress | null): void {
		this.#progress.show(progress);
		setVisible(this.#buttons, progress === null);
	}

	#showNotes(notes: readonly string[]): void {
		const h = this.#h;
		setVisible(this.#notes, notes.length > 0);
		replaceChildren(
			this.#notes,
			...notes.map((note) =>
				h('li', { class: 'bnl-note', bnl: 'note' }, icon(h, 'info', 'info'), h('span', {}, fullLabel(note))),
			),
		);
	}

	#showModels({ original, deployed }: Comparison): void {
		const name = (model: ModelSummary): string => label(baseName(model.path)) || shared.model.noFile;
		const facts = (role: string, model: ModelSummary): string =>
			isCheckpoint(model)
				? `${role}: ${shared.model.size(model.bytes)}, ${formatWords(model)}`
				: `${role}: ${shared.model.size(model.bytes)}, ${shared.model.nodes(model.nodes)}, ${label(model.producer) || shared.model.unknownProducer}`;
		this.#top.showTitle(
			strings.header.title(name(original), name(deployed)),
			strings.header.title(original.path, deployed.path),
			[facts(strings.header.original, original), facts(strings.header.deployed, deployed)],
		);
	}

	#showOutputs(outputs: OutputComparison | undefined): void {
		const h = this.#h;
		replaceChildren(this.#outputs);
		delete this.#outputs.dataset.status;
		if (outputs) {
			this.#outputs.dataset.status = outputs.status;
			const sentence = phrases(h, fullLabel(outputSentence(outputs)));
			append(this.#outputs, [icon(h, ...OUTPUT_ICONS[outputs.status]), h('span', {}, ...sentence)]);
		}
	}
}
