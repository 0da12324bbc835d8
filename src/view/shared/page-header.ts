import { stageWords } from '../../core/report/stages.js';
import { fullLabel } from '../text/names.js';
import { strings } from '../text/strings.js';
import type { Handle } from '../ui/attributes.js';
import { type ElementBuilder, replaceChildren, setVisible } from '../ui/dom.js';
import { type IconName, icon, type Tone } from '../ui/icons.js';
import { phrases } from '../ui/phrases.js';
import type { PageContext } from './context.js';

const ICONS: Readonly<Record<Tone, IconName>> = {
	good: 'check',
	info: 'info',
	warning: 'warning',
	error: 'error',
	muted: 'pending',
	plain: 'info',
};

/** Progress of a run; `stage` is a stage of the engine. */
export interface Progress {
	readonly stage: string;
	readonly done: number;
	readonly total: number;
}

export function button(h: ElementBuilder, text: string, bnl: Handle, click: () => void): HTMLButtonElement {
	return h('button', { class: 'bnl-button', bnl, attributes: { type: 'button' }, on: { click } }, text);
}

/** Title line of a page with facts about its subject, and below it the answer in a sentence. */
export class TitleAndAnswer {
	readonly titleLine: HTMLElement;
	readonly answer: HTMLElement;
	readonly #h: ElementBuilder;
	readonly #title: HTMLElement;
	readonly #facts: HTMLElement;

	constructor(h: ElementBuilder) {
		this.#h = h;
		this.#title = h('h1', { class: 'bnl-title', bnl: 'title' });
		this.#facts = h('ul', { class: 'bnl-facts' });
		this.titleLine = h('div', { class: 'bnl-title-line' }, this.#title, this.#facts);
		this.answer = h('p', { class: 'bnl-answer', bnl: 'answer' });
	}

	/** @param tooltip shows paths in full. */
	showTitle(title: string, tooltip: string, facts: readonly string[]): void {
		this.#title.textContent = title;
		this.#title.title = fullLabel(tooltip);
		replaceChildren(this.#facts, ...facts.map((fact) => this.#h('li', {}, fact)));
	}

	showAnswer(sentence: string, tone: Tone): void {
		const h = this.#h;
		this.answer.dataset.severity = tone;
		replaceChildren(this.answer, icon(h, ICONS[tone], tone), h('span', {}, ...phrases(h, fullLabel(sentence))));
	}
}

/** Progress of the run in words and as a bar, with a button that cancels it. */
export class ProgressBar {
	readonly element: HTMLElement;
	readonly #text: HTMLElement;
	readonly #bar: HTMLProgressElement;

	/** @param label names the bar for screen readers. */
	constructor({ h, actions }: Pick<PageContext, 'h' | 'actions'>, label: string) {
		this.#text = h('span', { class: 'bnl-progress-text' });
		this.#bar = h('progress', { class: 'bnl-progress-bar', attributes: { 'aria-label': label } });
		this.element = h(
			'div',
			{ class: 'bnl-progress', bnl: 'progress' },
			this.#text,
			this.#bar,
			actions.cancel && button(h, strings.run.cancel, 'cancel', () => actions.cancel?.()),
		);
		setVisible(this.element, false);
	}

	/** @param progress null when no run is under way. */
	show(progress: Progress | null): void {
		setVisible(this.element, progress !== null);
		if (!progress) {
			return;
		}
		const { stage, done, total } = progress;
		this.element.dataset.stage = stage;
		this.#text.textContent = strings.run.progress(stageWords(stage), done, total);
		if (total > 0) {
			this.#bar.max = total;
			this.#bar.value = done;
		} else {
			this.#bar.removeAttribute('value');
		}
	}
}
