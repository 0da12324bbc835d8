import type { Comparison } from '../../core/report/comparison/comparison.js';
import { noiseWords, outputNoise } from '../../core/report/comparison/signal.js';
import { comparisonHeadline, hasOtherWeights, outputSentence } from '../../core/report/comparison/summary.js';
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
	readonly #noise: HTMLElement;
	readonly #progress: ProgressBar;
	readonly #buttons: HTMLElement;
	readonly #repair: HTMLElement;

	constructor(context: ComparisonContext) {
		const { h, actions } = context;
		this.#h = h;
		this.#top = new TitleAndAnswer(h);
		this.#notes = h('ul', { class: 'bnl-notes', attributes: { 'aria-label': strings.header.notes } });
		this.#noise = h('ul', { class: 'bnl-notes', bnl: 'noise', attributes: { 'aria-label': strings.header.noise } });
		this.#outputs = h('p', { class: 'bnl-run', bnl: 'outputs' });
		this.#progress = new ProgressBar(context, strings.page.comparing);
		this.#repair = button(h, strings.header.repair, 'repair', () => actions.repair?.());
		setVisible(this.#repair, false);
		setVisible(this.#noise, false);
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
			this.#noise,
		);
	}

	update(comparison: Comparison): void {
		this.#showModels(comparison);
		this.#top.showAnswer(comparisonHeadline(comparison), comparisonTone(comparison));
		this.#showNotes(comparison);
		this.#showOutputs(comparison);
		this.#showNoise(comparison);
		setVisible(this.#repair, comparison.summary.mismatch > 0 && !hasOtherWeights(comparison));
	}

	get answerText(): string {
		return this.#top.answer.textContent ?? '';
	}

	/** @param progress null when no comparison is under way. */
	setProgress(progress: Progress | null): void {
		this.#progress.show(progress);
		setVisible(this.#buttons, progress === null);
	}

	#showNotes({ layers, notes }: Comparison): void {
		// Without layers the first note is the answer.
		const shown = notes.slice(layers.length === 0 ? 1 : 0);
		this.#list(this.#notes, shown);
	}

	/** Lists place and source of the noise, then the next step. */
	#showNoise(comparison: Comparison): void {
		const noise = noiseWords(comparison);
		const lines = noise ? [noise.where, strings.header.advice(noise.advice)] : [];
		this.#list(
			this.#noise,
			lines.filter((line) => line !== ''),
		);
	}

	#list(element: HTMLElement, lines: readonly string[]): void {
		const h = this.#h;
		setVisible(element, lines.length > 0);
		replaceChildren(
			element,
			...lines.map((line) =>
				h(
					'li',
					{ class: 'bnl-note', bnl: 'note' },
					icon(h, 'info', 'info'),
					h('span', {}, ...phrases(h, fullLabel(line))),
				),
			),
		);
	}

	#showModels({ original, deployed }: Comparison): void {
		const name = (model: ModelSummary): string => label(baseName(model.path)) || shared.model.noFile;
		const facts = (role: string, model: ModelSummary): string =>
			isCheckpoint(model)
				? `${role}: ${shared.model.size(model.bytes)}, ${formatWords(model)}`
				: `${role}: ${shared.model.size(model.bytes)}, ${shared.model.nodes(model.nodes)}, ${producer(model)}`;
		const producer = (model: ModelSummary): string => shared.model.producer(label(model.producer));
		this.#top.showTitle(
			strings.header.title(name(original), name(deployed)),
			strings.header.title(original.path, deployed.path),
			[facts(strings.header.original, original), facts(strings.header.deployed, deployed)],
		);
	}

	#showOutputs(comparison: Comparison): void {
		const h = this.#h;
		const { outputs } = comparison;
		replaceChildren(this.#outputs);
		delete this.#outputs.dataset.status;
		if (outputs) {
			this.#outputs.dataset.status = outputs.status;
			const isDistorted = outputNoise(comparison)?.isLoud ?? false;
			const sign = isDistorted ? (['warning', 'warning'] as const) : OUTPUT_ICONS[outputs.status];
			const sentence = phrases(h, fullLabel(outputSentence(outputs)));
			append(this.#outputs, [icon(h, ...sign), h('span', {}, ...sentence)]);
		}
	}
}
