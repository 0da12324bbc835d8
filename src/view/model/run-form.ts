import {
	COLOR_ORDERS,
	type ColorOrder,
	DISTRIBUTIONS,
	type Distribution,
	MEGABYTE,
	NORMALIZATION_PRESETS,
	type Normalization,
	parseNormalization,
	RUN_LIMITS,
	type RunChoices,
	type RunForm as RunFormContent,
} from '../../core/report/run-choices.js';
import { baseName } from '../../core/text/names.js';
import { fullLabel, label } from '../text/names.js';
import { type Child, replaceChildren, setVisible } from '../ui/dom.js';
import type { ViewContext } from './context.js';
import { strings } from './strings.js';

/** Value of the choice to enter a mean and a deviation; no preset has this name. */
const FREE = 'free';

/** Number of an input's file names that are shown; the tooltip has all paths. */
const NAMES_SHOWN = 3;

/**
 * Form of run options: values of the inputs, sizes that the model leaves open, random values, normalization of images and
 * memory. Choices take effect when the user runs the model; only files are chosen at once, in dialogs of the host. An
 * empty field means the value in its placeholder.
 */
export class RunForm {
	readonly element: HTMLFormElement;
	readonly #inputs: HTMLElement;
	readonly #sizes: HTMLElement;
	readonly #batch: HTMLInputElement;
	readonly #seed: HTMLInputElement;
	readonly #random: HTMLSelectElement;
	readonly #memory: HTMLInputElement;
	readonly #normalize: HTMLSelectElement;
	readonly #colors: HTMLSelectElement;
	readonly #mean: HTMLInputElement;
	readonly #deviation: HTMLInputElement;
	readonly #free: HTMLElement;
	/** Fields of the model's open dimensions, by name. */
	#dimensions: ReadonlyMap<string, HTMLInputElement> = new Map();
	/** Choices that last filled the fields. Other updates must not overwrite the text that the user is typing. */
	#filledFrom = '';

	readonly #context: ViewContext;

	constructor(context: ViewContext) {
		const { h } = context;
		this.#context = context;
		const words = strings.form;
		this.#batch = this.#numberField('batch', { min: 1, max: RUN_LIMITS.batch });
		this.#seed = this.#numberField('seed', { min: 0, max: RUN_LIMITS.seed });
		this.#memory = this.#numberField('memory', { min: 1, max: RUN_LIMITS.memoryBudget / MEGABYTE });
		this.#random = this.#choice(
			'random',
			DISTRIBUTIONS.map((name) => [name, words.distributions[name]]),
		);
		this.#normalize = this.#choice('normalize', [
			['', words.normalizeDefault],
			...NORMALIZATION_PRESETS.map((name) => [name, words.normalizations[name]] as const),
			[FREE, words.normalizeFree],
		]);
		this.#colors = this.#choice(
			'colors',
			COLOR_ORDERS.map((order) => [order, words.colorOrders[order]]),
		);
		this.#mean = this.#textField('mean');
		this.#deviation = this.#textField('deviation');
		this.#free = this.#fields(this.#labeled(words.mean, this.#mean), this.#labeled(words.deviation, this.#deviation));
		for (const field of [this.#normalize, this.#mean, this.#deviation]) {
			field.addEventListener('input', () => this.#checkNormalization());
		}
		this.#inputs = h('div', { class: 'bnl-form-inputs' });
		this.#sizes = this.#fields();
		this.element = h(
			'form',
			{ class: 'bnl-run-form', bnl: 'run-form', attributes: { 'aria-label': words.title } },
			...this.#groups(),
			this.#buttons(),
		);
		this.element.addEventListener('submit', (event) => {
			event.preventDefault();
			this.#context.actions.run?.(this.#read());
		});
	}

	update(form: RunFormContent): void {
		this.#updateInputs(form.inputs);
		const { choices, defaults, dimensions } = form;
		this.#batch.placeholder = String(defaults.batch);
		this.#seed.placeholder = String(defaults.seed);
		this.#memory.placeholder = String(defaults.memoryBudget);
		const source = JSON.stringify([choices, dimensions]);
		if (source !== this.#filledFrom) {
			this.#filledFrom = source;
			this.#updateSizes(dimensions);
			this.#fill(choices);
		}
	}

	/** Moves the focus to the choice of what pixels become. The form must be visible. */
	focusPixels(): void {
		this.#normalize.scrollIntoView({ block: 'nearest' });
		this.#normalize.focus();
	}

	/** Moves the focus to the choice of a folder for the first input. The form must be visible. */
	focusInputs(): void {
		const folder = this.#inputs.querySelector<HTMLElement>('button[data-from="folder"]');
		folder?.scrollIntoView({ block: 'nearest' });
		folder?.focus();
	}

	#groups(): readonly HTMLElement[] {
		const words = strings.form;
		const random = this.#labeled(words.random, this.#random);
		const normalize = this.#labeled(words.normalize, this.#normalize);
		return [
			this.#group(words.inputs, this.#inputs),
			this.#group(words.sizes, this.#sizes),
			this.#group(words.values, this.#fields(random, this.#labeled(words.seed, this.#seed))),
			this.#group(words.images, this.#fields(normalize, this.#free, this.#labeled(words.colors, this.#colors))),
			this.#group(words.limits, this.#fields(this.#labeled(words.memory, this.#memory))),
		];
	}

	#buttons(): HTMLElement {
		const { h } = this.#context;
		const run = h(
			'button',
			{ class: 'bnl-button bnl-button-primary', bnl: 'form-run', attributes: { type: 'submit' } },
			strings.form.run,
		);
		return h('div', { class: 'bnl-form-buttons' }, run, h('span', { class: 'bnl-muted' }, strings.form.remembered));
	}

	#updateInputs(inputs: RunFormContent['inputs']): void {
		const { h, actions } = this.#context;
		const focused = this.#context.document.activeElement;
		const place = focused instanceof HTMLElement && this.#inputs.contains(focused) ? focused.dataset : undefined;
		const rows = inputs.map(({ name, dtype, shape, files }, index) => {
			const title = label(name);
			const button = (from: 'files' | 'folder' | 'random', text: string): Child =>
				h(
					'button',
					{
						class: 'bnl-button',
						bnl: 'choose-files',
						data: { from, input: String(index) },
						attributes: { type: 'button', 'aria-label': `${text} ${title}` },
						on: { click: () => actions.chooseFiles?.(name, from) },
					},
					text,
				);
			return h(
				'div',
				{ class: 'bnl-form-input', bnl: 'form-input', data: { input: String(index) } },
				h('span', { class: 'bnl-name' }, title),
				h(
					'span',
					{ class: 'bnl-muted' },
					strings.form.input(
						label(dtype),
						shape?.map((size) => label(String(size))),
					),
				),
				h('span', { class: 'bnl-form-source', attributes: { title: fullLabel(files.join('\n')) } }, sourceOf(files)),
				button('files', strings.form.chooseFiles),
				button('folder', strings.form.chooseFolder),
				files.length > 0 && button('random', strings.form.useRandom),
			);
		});
		replaceChildren(this.#inputs, ...rows);
		this.#focusAgain(place);
	}

	/** Returns the focus to the same button of the new rows, or to the first button of its row. */
	#focusAgain(place: DOMStringMap | undefined): void {
		if (place) {
			const row = this.#inputs.querySelectorAll<HTMLElement>(`button[data-input="${Number(place.input)}"]`);
			([...row].find(({ dataset }) => dataset.from === place.from) ?? row[0])?.focus();
		}
	}

	#updateSizes(dimensions: readonly string[]): void {
		this.#dimensions = new Map(
			dimensions.map((name) => {
				const field = this.#numberField('dimension', { min: 0, max: RUN_LIMITS.size });
				field.placeholder = strings.form.guessed;
				return [name, field];
			}),
		);
		const fields = [...this.#dimensions].map(([name, field]) => this.#labeled(label(name), field));
		replaceChildren(this.#sizes, this.#labeled(strings.form.batch, this.#batch), ...fields);
	}

	#fill({ batch, dimensions = [], seed, random, normalize, colors, memoryBudget }: RunChoices): void {
		const text = (value: number | undefined) => (value === undefined ? '' : String(value));
		this.#batch.value = text(batch);
		this.#seed.value = text(seed);
		this.#random.value = random ?? DISTRIBUTIONS[0];
		this.#colors.value = colors ?? COLOR_ORDERS[0];
		this.#memory.value = text(memoryBudget && memoryBudget / MEGABYTE);
		for (const { name, size } of dimensions) {
			const field = this.#dimensions.get(name);
			if (field) {
				field.value = String(size);
			}
		}
		const free = typeof normalize === 'object' ? normalize : undefined;
		this.#normalize.value = free ? FREE : typeof normalize === 'string' ? normalize : '';
		this.#mean.value = free?.mean.join(', ') ?? '';
		this.#deviation.value = free?.deviation.join(', ') ?? '';
		this.#checkNormalization();
	}

	#read(): RunChoices {
		const number = (field: HTMLInputElement) => (field.value === '' ? undefined : Number(field.value));
		const sizes = [...this.#dimensions].flatMap(([name, field]) => {
			const size = number(field);
			return size === undefined ? [] : [{ name, size }];
		});
		const [batch, seed, memory] = [this.#batch, this.#seed, this.#memory].map(number);
		const normalize = this.#normalization();
		return {
			...(batch !== undefined && { batch }),
			...(sizes.length > 0 && { dimensions: sizes }),
			...(seed !== undefined && { seed }),
			...(this.#random.value !== DISTRIBUTIONS[0] && { random: this.#random.value as Distribution }),
			...(normalize && { normalize }),
			...(this.#colors.value !== COLOR_ORDERS[0] && { colors: this.#colors.value as ColorOrder }),
			...(memory !== undefined && { memoryBudget: memory * MEGABYTE }),
		};
	}

	#normalization(): Normalization | undefined {
		const { value } = this.#normalize;
		return parseNormalization(value === FREE ? `${this.#mean.value}/${this.#deviation.value}` : value);
	}

	/** Checks mean and deviation. The browser shows the error beside the field and does not submit the form. */
	#checkNormalization(): void {
		const free = this.#normalize.value === FREE;
		setVisible(this.#free, free);
		this.#mean.setCustomValidity(free && !this.#normalization() ? strings.form.notNumbers : '');
	}

	#group(title: string, content: HTMLElement): HTMLElement {
		const { h } = this.#context;
		return h('fieldset', { class: 'bnl-form-group' }, h('legend', {}, title), content);
	}

	#fields(...fields: readonly HTMLElement[]): HTMLElement {
		return this.#context.h('div', { class: 'bnl-form-fields' }, ...fields);
	}

	#labeled(text: string, field: HTMLElement): HTMLElement {
		const { h } = this.#context;
		return h('label', { class: 'bnl-form-field' }, h('span', {}, text), field);
	}

	#numberField(name: string, { min, max }: { readonly min: number; readonly max: number }): HTMLInputElement {
		const limits = { type: 'number', step: '1', min: String(min), max: String(max) };
		return this.#context.h('input', {
			class: 'bnl-input bnl-form-number',
			bnl: 'form-field',
			data: { field: name },
			attributes: limits,
		});
	}

	#textField(name: string): HTMLInputElement {
		return this.#context.h('input', {
			class: 'bnl-input',
			bnl: 'form-field',
			data: { field: name },
			attributes: { type: 'text', spellcheck: 'false', placeholder: strings.form.oneOrThree },
		});
	}

	#choice(name: string, options: readonly (readonly [string, string])[]): HTMLSelectElement {
		const { h } = this.#context;
		return h(
			'select',
			{ class: 'bnl-select', bnl: 'form-field', data: { field: name } },
			...options.map(([value, text]) => h('option', { attributes: { value } }, text)),
		);
	}
}

function sourceOf(files: readonly string[]): string {
	const names = files.slice(0, NAMES_SHOWN).map((file) => label(baseName(file)));
	return files.length === 0 ? strings.form.madeUp : strings.form.files(names, files.length);
}
