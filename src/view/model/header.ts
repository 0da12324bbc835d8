import type { RunForm as RunFormContent } from '../../core/report/run-choices.js';
import { stageWords } from '../../core/report/stages.js';
import { answer } from '../../core/report/summary.js';
import type { ModelSummary, Report, RunSummary } from '../../core/report/types.js';
import { baseName } from '../../core/text/names.js';
import { formatMilliseconds } from '../../core/text/numbers.js';
import type { ViewContext } from '../shared/context.js';
import { reportTone } from '../shared/layer-facts.js';
import { fullLabel, label } from '../text/names.js';
import { strings } from '../text/strings.js';
import type { Handle } from '../ui/attributes.js';
import { append, type Child, replaceChildren, setVisible } from '../ui/dom.js';
import { type IconName, icon, type Tone } from '../ui/icons.js';
import { phrases } from '../ui/phrases.js';
import { RunForm } from './run-form.js';

const ICONS: Readonly<Record<Tone, IconName>> = {
	good: 'check',
	info: 'info',
	warning: 'warning',
	error: 'error',
	muted: 'pending',
	plain: 'info',
};

/** How far the run is; `stage` is one of the engine's stages. */
export interface Progress {
	readonly stage: string;
	readonly done: number;
	readonly total: number;
}

/** Top of the page: which model, the answer in one sentence, what was run and how far it is, and how to run it. */
export class Header {
	readonly element: HTMLElement;
	readonly #title: HTMLElement;
	readonly #facts: HTMLElement;
	readonly #answer: HTMLElement;
	readonly #run: HTMLElement;
	readonly #bar: HTMLProgressElement;
	readonly #progress: HTMLElement;
	readonly #progressText: HTMLElement;
	readonly #buttons: HTMLElement;
	readonly #runAgain: HTMLElement;
	readonly #options: HTMLElement;
	readonly #trust: HTMLElement;
	readonly #compare: HTMLElement;
	readonly #form: RunForm;
	/** Undefined until the host has told what can be chosen. */
	#trusted: boolean | undefined;
	#hasLayers = false;
	/** Sizes that the model leaves open and nobody has chosen. */
	#guessed: readonly string[] = [];
	#lastRun: RunSummary | null = null;
	/** Whether the user wants to see the form. */
	#formWanted = false;
	#announcedStage = '';

	constructor(
		private readonly context: ViewContext,
		onToggleForm: () => void,
	) {
		const { h, actions } = context;
		this.#title = h('h1', { class: 'bnl-title', bnl: 'title' });
		this.#facts = h('ul', { class: 'bnl-facts' });
		this.#answer = h('p', { class: 'bnl-answer', bnl: 'answer' });
		this.#run = h('p', { class: 'bnl-run', bnl: 'run' });
		this.#bar = h('progress', { class: 'bnl-progress-bar', attributes: { 'aria-label': strings.run.pending } });
		this.#progressText = h('span', { class: 'bnl-progress-text' });
		const button = (text: string, bnl: Handle, click: () => void) =>
			h('button', { class: 'bnl-button', bnl, attributes: { type: 'button' }, on: { click } }, text);
		const { cancel, run, compare, showLog, manageTrust } = actions;
		this.#form = new RunForm(context);
		this.#runAgain = button(strings.run.again, 'run-again', () => run?.());
		this.#options = button(strings.run.options, 'run-options', onToggleForm);
		this.#trust = button(strings.run.trust, 'trust', () => manageTrust?.());
		this.#compare = button('', 'compare', () => compare?.());
		this.#progress = h(
			'div',
			{ class: 'bnl-progress', bnl: 'progress' },
			this.#progressText,
			this.#bar,
			cancel && button(strings.run.cancel, 'cancel', () => cancel()),
		);
		this.#buttons = h(
			'div',
			{ class: 'bnl-run-buttons' },
			run && this.#runAgain,
			run && this.#options,
			manageTrust && this.#trust,
			compare && this.#compare,
			showLog && button(strings.run.showLog, 'show-log', () => showLog()),
		);
		this.element = h(
			'header',
			{ class: 'bnl-header' },
			h('div', { class: 'bnl-title-line' }, this.#title, this.#facts),
			this.#answer,
			h('div', { class: 'bnl-run-line' }, this.#run, this.#progress, this.#buttons),
			this.#form.element,
		);
		setVisible(this.#progress, false);
		this.#updateButtons();
	}

	update(report: Report): void {
		this.#updateModel(report.model);
		this.#hasLayers = report.layers.length > 0;
		this.#updateButtons();
		const tone = reportTone(report);
		const { h } = this.context;
		this.#answer.dataset.severity = tone;
		replaceChildren(this.#answer, icon(h, ICONS[tone], tone), h('span', {}, ...phrases(h, fullLabel(answer(report)))));
		this.#updateRun(report.run);
	}

	setForm(form: RunFormContent): void {
		this.#trusted = form.trusted;
		this.#guessed = guessedSizes(form);
		this.#form.update(form);
		this.#updateButtons();
		if (this.#lastRun) {
			this.#updateRun(this.#lastRun);
		}
	}

	showForm(shown: boolean): void {
		this.#formWanted = shown;
		this.#updateButtons();
	}

	get answerText(): string {
		return this.#answer.textContent ?? '';
	}

	setProgress(progress: Progress | null): void {
		setVisible(this.#progress, progress !== null);
		setVisible(this.#buttons, progress === null);
		if (!progress) {
			this.#announcedStage = '';
			return;
		}
		const stage = stageWords(progress.stage);
		this.#progress.dataset.stage = progress.stage;
		this.#progressText.textContent = strings.run.progress(stage, progress.done, progress.total);
		if (progress.total > 0) {
			this.#bar.max = progress.total;
			this.#bar.value = progress.done;
		} else {
			this.#bar.removeAttribute('value');
		}
		if (this.#announcedStage !== stage) {
			this.#announcedStage = stage;
			this.context.announce(stage);
		}
	}

	/**
	 * In a workspace that is not trusted the way to trust stands where models are run elsewhere. A model without layers
	 * is not run at all: the only way on is the model that it was made from.
	 */
	#updateButtons(): void {
		setVisible(this.#runAgain, this.#hasLayers && this.#trusted !== false);
		setVisible(this.#options, this.#hasLayers && this.#trusted === true);
		setVisible(this.#trust, this.#trusted === false);
		setVisible(this.#form.element, this.#formWanted && this.#hasLayers && this.#trusted === true);
		this.#options.setAttribute('aria-expanded', String(this.#formWanted));
		const [text, title] = this.#hasLayers ? strings.run.compare : strings.run.compareFolded;
		this.#compare.textContent = text;
		this.#compare.title = title;
		this.#compare.classList.toggle('bnl-button-primary', !this.#hasLayers);
	}

	#updateModel(model: ModelSummary): void {
		const { h } = this.context;
		this.#title.title = fullLabel(model.path);
		// Parameters from a notebook belong to no file.
		this.#title.textContent = model.path ? label(baseName(model.path)) : strings.model.noFile;
		const facts = model.path
			? [
					strings.model.size(model.bytes),
					strings.model.opset(model.opset),
					strings.model.ir(model.irVersion),
					label(model.producer) || strings.model.unknownProducer,
					strings.model.nodes(model.nodes),
				]
			: [];
		replaceChildren(this.#facts, ...facts.map((fact) => h('li', {}, fact)));
	}

	#note(text: string): Child[] {
		const { h } = this.context;
		return [' ', icon(h, 'info', 'info'), h('span', {}, text)];
	}

	#updateRun(run: RunSummary): void {
		const { h } = this.context;
		this.#lastRun = run;
		this.#run.dataset.status = run.status;
		replaceChildren(this.#run);
		switch (run.status) {
			case 'pending':
				return;
			case 'skipped':
				append(this.#run, [
					icon(h, 'skipped'),
					h('span', {}, strings.run.skipped(run.reason && fullLabel(run.reason))),
				]);
				return;
			case 'failed':
				append(this.#run, [
					icon(h, 'error', 'error'),
					h('span', {}, strings.run.failed(run.reason && fullLabel(run.reason)), ' ', strings.run.failedStays),
				]);
				return;
			case 'ok':
				append(this.#run, [
					h('span', { attributes: { title: stagesText(run) } }, strings.run.ok(label(run.runtime), totalText(run))),
					' ',
					h('span', {}, inputsText(run)),
					// For example that only a part of the model could be run.
					...(run.reason === undefined ? [] : this.#note(fullLabel(run.reason))),
					...(this.#guessed.length === 0 ? [] : this.#note(strings.run.guessed(label(this.#guessed.join(', '))))),
				]);
				return;
			default:
				run.status satisfies never;
		}
	}
}

function guessedSizes({ inputs, dimensions, choices }: RunFormContent): readonly string[] {
	const chosen = new Set(choices.dimensions?.map(({ name }) => name));
	// Files bring their sizes along.
	return inputs.every(({ files }) => files.length > 0) ? [] : dimensions.filter((name) => !chosen.has(name));
}

function totalText({ milliseconds }: RunSummary): string {
	const total = milliseconds.total ?? Object.values(milliseconds).reduce((sum, value) => sum + value, 0);
	return total > 0 ? formatMilliseconds(total) : '';
}

/** How long each stage took. */
function stagesText({ milliseconds }: RunSummary): string {
	const stages = Object.entries(strings.run.times).flatMap(([name, say]) => {
		const time = milliseconds[name];
		return time === undefined ? [] : [say(formatMilliseconds(time))];
	});
	return stages.join(', ');
}

function inputsText({ inputs }: RunSummary): string {
	const fed = inputs.map(({ name, shape, dtype, from }) =>
		strings.run.input(label(name), shape, label(dtype), label(from)),
	);
	return fed.length > 0 ? strings.run.inputs(fed) : '';
}
