import { fullLabel, label } from '../text/names.js';
import { strings } from '../text/strings.js';
import { type ElementBuilder, replaceChildren, setVisible } from '../ui/dom.js';
import { type IconName, icon } from '../ui/icons.js';
import { breakable } from '../ui/phrases.js';

export interface DetailHeadEvents {
	onClose(): void;
	/** -1: previous, 1: next, in the order of the table. */
	onStep(direction: -1 | 1): void;
}

/** Longest name that is shown whole, in characters. */
const MAX_NAME = 200;

/** Head of the open layer on every page: name, position, facts, and buttons to other layers. */
export class DetailHead {
	readonly element: HTMLElement;
	readonly #h: ElementBuilder;
	readonly #heading: HTMLElement;
	readonly #position: HTMLElement;
	readonly #facts: HTMLElement;
	/** Buttons to the previous and the next layer. */
	readonly #steps: readonly HTMLElement[];

	constructor(h: ElementBuilder, events: DetailHeadEvents) {
		this.#h = h;
		this.#heading = h('h2', { class: 'bnl-detail-title', attributes: { tabindex: '-1' } });
		this.#position = h('span', { class: 'bnl-muted bnl-position' });
		this.#facts = h('ul', { class: 'bnl-facts' });
		this.#steps = [
			this.#button(strings.detail.previous, 'previous', () => events.onStep(-1)),
			this.#button(strings.detail.next, 'next', () => events.onStep(1)),
		];
		this.element = h(
			'div',
			{ class: 'bnl-detail-head' },
			h(
				'div',
				{ class: 'bnl-detail-title-line' },
				this.#heading,
				this.#position,
				...this.#steps,
				this.#button(strings.detail.close, 'cross', () => events.onClose(), 'close'),
			),
			this.#facts,
		);
	}

	/**
	 * @param name name of the layer in the file.
	 * @param place `index` in the report, from 0.
	 */
	show(name: string, facts: readonly string[], { index, all }: { readonly index: number; readonly all: number }): void {
		replaceChildren(this.#heading, ...breakable(this.#h, label(name, MAX_NAME)));
		this.#heading.title = fullLabel(name);
		this.#position.textContent = strings.detail.position(index + 1, all);
		for (const step of this.#steps) {
			setVisible(step, all > 1);
		}
		replaceChildren(this.#facts, ...facts.map((fact) => this.#h('li', {}, fact)));
	}

	#button(text: string, iconName: IconName, click: () => void, bnl?: 'close'): HTMLButtonElement {
		return this.#h(
			'button',
			{
				class: 'bnl-icon-button',
				...(bnl && { bnl }),
				attributes: { type: 'button', 'aria-label': text, title: text },
				on: { click },
			},
			icon(this.#h, iconName),
		);
	}
}
