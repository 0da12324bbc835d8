import { formatWords, isCheckpoint } from '../../core/report/formats.js';
import type { RunForm as RunFormContent } from '../../core/report/run-choices.js';
import { stageWords } from '../../core/report/stages.js';
import { answer, dataRemark, headline } from '../../core/report/summary.js';
import type { LayerReport, ModelSummary, Report, RunSummary } from '../../core/report/types.js';
import { baseName } from '../../core/text/names.js';
import { formatMilliseconds, ratioOf } from '../../core/text/numbers.js';
import { boundRatio, reportTone } from '../shared/layer-facts.js';
import { button, type Progress, ProgressBar, TitleAndAnswer } from '../shared/page-header.js';
import { fullLabel, label } from '../text/names.js';
import { strings as shared } from '../text/strings.js';
import { append, type Child, replaceChildren, setVisible } from '../ui/dom.js';
import { icon } from '../ui/icons.js';
import type { ViewContext } from './context.js';
import { RunForm } from './run-form.js';
import { strings } from './strings.js';

/** Top of the page: the model, the answer in a sentence, the run with its progress, and the form of run options. */
export class Header {
	readonly element: HTMLElement;
	readonly #context: ViewContext;
	readonly #top: TitleAndAnswer;
	readonly #facts: HTMLElement;
	readonly #run: HTMLElement;
	readonly #compared: HTMLElement;
	readonly #compareToggle: HTMLElement;
	readonly #progress: ProgressBar;
	readonly #buttons: HTMLElement;
	readonly #runAgain: HTMLElement;
	readonly #options: HTMLElement;
	readonly #trust: HTMLElement;
	readonly #compare: HTMLElement;
	readonly #form: RunForm;
	/** Undefined until the host has sent the form. */
	#trusted: boolean | undefined;
	#hasLayers = false;
	/** A checkpoint has no graph to run. */
	#isCheckpoint = false;
	/** Names of dimensions that the model leaves open and the user has not chosen. */
	#guessed: readonly string[] = [];
	#lastRun: RunSummary | null = null;
	/** True if the user wants to see the form. */
	#formWanted = false;
	#announcedStage = '';
	#answer = '';
	#layers: readonly LayerReport[] = [];
	/** Sentence on the data of the run, below the headline. */
	readonly #data: HTMLElement;

	/** @param facts chips of warnings and errors, below the headline */
	constructor(context: ViewContext, facts: HTMLElement, onToggleForm: () => void) {
		const { h, actions } = context;
		this.#context = context;
		this.#top = new TitleAndAnswer(h);
		this.#facts = facts;
		this.#data = h('p', { class: 'bnl-data', bnl: 'data' });
		this.#run = h('p', { class: 'bnl-run', bnl: 'run' });
		this.#compared = h('div', { class: 'bnl-compared bnl-muted' });
		this.#compareToggle = h(
			'button',
			{
				class: 'bnl-link',
				bnl: 'compared',
				attributes: { type: 'button' },
				on: { click: () => this.#toggleCompared() },
			},
			strings.run.compared,
		);
		this.#progress = new ProgressBar(context, strings.run.pending);
		this.#form = new RunForm(context);
		this.#runAgain = button(h, strings.run.again, 'run-again', () => actions.run?.());
		this.#options = button(h, strings.run.options, 'run-options', onToggleForm);
		this.#trust = button(h, strings.run.trust, 'trust', () => actions.manageTrust?.());
		this.#compare = button(h, '', 'compare', () => actions.compare?.());
		this.#buttons = h(
			'div',
			{ class: 'bnl-run-buttons' },
			actions.run && this.#runAgain,
			actions.run && this.#options,
			actions.manageTrust && this.#trust,
			actions.compare && this.#compare,
			actions.showLog && button(h, shared.run.showLog, 'show-log', () => actions.showLog?.()),
		);
		this.element = h(
			'header',
			{ class: 'bnl-header' },
			this.#top.titleLine,
			this.#top.answer,
			this.#data,
			this.#facts,
			h('div', { class: 'bnl-run-line' }, this.#run, this.#progress.element, this.#buttons),
			this.#compared,
			this.#form.element,
		);
		setVisible(this.#compared, false);
		this.#updateButtons();
	}

	update(report: Report): void {
		this.#updateModel(report.model);
		this.#hasLayers = report.layers.length > 0;
		this.#isCheckpoint = isCheckpoint(report.model);
		this.#updateButtons();
		this.#top.showAnswer(headline(report), reportTone(report));
		this.#answer = answer(report);
		this.#layers = report.layers;
		this.#updateData(report);
		this.#updateRun(report.run);
		this.#updateCompared(report.run);
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

	/** Moves the focus to the choice of what pixels become, in the form that is shown. */
	focusPixels(): void {
		this.#form.focusPixels();
	}

	/** Moves the focus to the first choice of input files, in the form that is shown. */
	focusInputs(): void {
		this.#form.focusInputs();
	}

	/** Headline and findings in sentences. */
	get answerText(): string {
		return this.#answer;
	}

	/** @param progress null when no run is under way. */
	setProgress(progress: Progress | null): void {
		this.#progress.show(progress);
		setVisible(this.#buttons, progress === null);
		const stage = progress ? stageWords(progress.stage) : '';
		if (this.#announcedStage !== stage) {
			this.#announcedStage = stage;
			if (progress) {
				this.#context.announce(stage);
			}
		}
	}

	/**
	 * Shows the buttons that apply. In an untrusted workspace the button for trust replaces the buttons that run the
	 * model. A model without layers is never run; it can only be compared with the model that it was made from.
	 */
	#updateButtons(): void {
		const isRunnable = this.#hasLayers && !this.#isCheckpoint;
		setVisible(this.#runAgain, isRunnable && this.#trusted !== false);
		setVisible(this.#options, isRunnable && this.#trusted === true);
		setVisible(this.#trust, this.#trusted === false && !this.#isCheckpoint);
		setVisible(this.#form.element, this.#formWanted && isRunnable && this.#trusted === true);
		this.#options.setAttribute('aria-expanded', String(this.#formWanted));
		const [text, title] = this.#hasLayers ? strings.run.compare : strings.run.compareFolded;
		this.#compare.textContent = text;
		this.#compare.title = title;
		this.#compare.classList.toggle('bnl-button-primary', !this.#hasLayers);
	}

	#updateModel(model: ModelSummary): void {
		// Parameters from a notebook belong to no file.
		const title = model.path ? label(baseName(model.path)) : shared.model.noFile;
		const facts = isCheckpoint(model)
			? [shared.model.size(model.bytes), formatWords(model)]
			: [
					shared.model.size(model.bytes),
					strings.model.opset(model.opset),
					strings.model.ir(model.irVersion),
					shared.model.producer(label(model.producer)),
					shared.model.nodes(model.nodes),
				];
		this.#top.showTitle(title, model.path, model.path ? facts : []);
	}

	/** Explains the comparison behind the verdicts. */
	#updateCompared(run: RunSummary): void {
		const { h } = this.#context;
		const stages = stagesText(run);
		replaceChildren(
			this.#compared,
			h('p', {}, strings.run.comparedWith(label(run.runtime))),
			stages !== '' && h('p', {}, strings.run.stages(stages)),
		);
		this.#compareToggle.setAttribute('aria-expanded', String(!this.#compared.hidden));
	}

	#toggleCompared(): void {
		const isHidden = this.#compared.hidden === true;
		setVisible(this.#compared, isHidden);
		this.#compareToggle.setAttribute('aria-expanded', String(!this.#compared.hidden));
	}

	#note(text: string): Child[] {
		const { h } = this.#context;
		return [' ', icon(h, 'info', 'info'), h('span', {}, text)];
	}

	#updateData(report: Report): void {
		const { h } = this.#context;
		const remark = dataRemark(report);
		const tone = report.run.status === 'ok' && report.run.data?.verdict === 'does-not-fit' ? 'warning' : 'info';
		setVisible(this.#data, remark !== '');
		const { preprocess, moreImages } = this.#context.actions;
		const isMistaken = report.run.status === 'ok' && report.run.data?.mistake !== undefined;
		const needsMore = report.run.status === 'ok' && report.run.data?.verdict === 'too-few';
		replaceChildren(
			this.#data,
			icon(h, tone, tone),
			h('span', {}, fullLabel(remark)),
			...(isMistaken && preprocess ? [' ', button(h, strings.detail.preprocess, 'preprocess', preprocess)] : []),
			...(needsMore && moreImages ? [' ', button(h, strings.detail.moreImages, 'more-images', moreImages)] : []),
		);
	}

	#updateRun(run: RunSummary): void {
		const { h } = this.#context;
		this.#lastRun = run;
		this.#run.dataset.status = run.status;
		replaceChildren(this.#run);
		switch (run.status) {
			case 'pending':
				return;
			case 'skipped':
				append(this.#run, [icon(h, 'skipped'), h('span', {}, strings.run.skipped(fullLabel(run.reason)))]);
				return;
			case 'failed':
				append(this.#run, [
					icon(h, 'error', 'error'),
					h('span', {}, strings.run.failed(fullLabel(run.reason)), ' ', strings.run.failedStays),
				]);
				return;
			case 'ok':
				append(this.#run, [
					h('span', {}, strings.run.ok(label(run.runtime), totalText(run))),
					' ',
					h('span', {}, inputsText(run)),
					' ',
					h('span', {}, largestErrorText(this.#layers)),
					...(hasVerdicts(this.#layers) ? [' ', this.#compareToggle] : []),
					// For example, only a part of the model could be run.
					...(run.reason === undefined ? [] : this.#note(fullLabel(run.reason))),
					...(this.#guessed.length === 0 ? [] : this.#note(strings.run.guessed(label(this.#guessed.join(', '))))),
				]);
				return;
			default:
				run satisfies never;
		}
	}
}

function hasVerdicts(layers: readonly LayerReport[]): boolean {
	return layers.some(({ recompute: { status } }) => status === 'match' || status === 'mismatch');
}

/** Returns the largest error of all layers as a share of its bound; '' if no layer was measured. */
function largestErrorText(layers: readonly LayerReport[]): string {
	const ratios = layers.map((layer) => boundRatio(layer) ?? -1);
	const largest = ratios.reduce((best, ratio, index) => (ratio > (ratios[best] ?? -1) ? index : best), 0);
	const ratio = ratios[largest] ?? -1;
	if (ratio < 0) {
		return '';
	}
	return (ratio > 1 ? strings.run.beyond : strings.run.largest)(ratioOf(ratio), largest + 1);
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

/** Returns the duration of each stage. */
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
