import { explainAxes, PAPER } from '../../core/report/axes.js';
import type { LayerReport } from '../../core/report/types.js';
import { type Child, disclosure, type ElementBuilder, replaceChildren, setVisible } from '../ui/dom.js';
import { icon, methodIcon } from '../ui/icons.js';
import { phrases } from '../ui/phrases.js';
import { axesPicture } from './axes-picture.js';
import {
	type MethodCard,
	methodCards,
	methodResiduals,
	normalizationNumbers,
	normalizationSentence,
} from './normalization.js';
import { strings } from './strings.js';

/**
 * Section about the axes that a layer normalizes over: the answer, and the statistics that the run used. Disclosures hold
 * the three methods, which are open at first, formulas and modes, and the numbers. They stay open or closed from layer to
 * layer.
 */
export class AxesSection {
	readonly element: HTMLElement;
	readonly #h: ElementBuilder;
	readonly #answer: HTMLElement;
	readonly #picture: HTMLElement;
	readonly #pictureDetails: HTMLDetailsElement;
	readonly #how: HTMLElement;
	readonly #howDetails: HTMLDetailsElement;
	readonly #used: HTMLElement;
	readonly #residuals: HTMLElement;
	readonly #residualDetails: HTMLElement;
	/** The axes in a few words; '' for a normalization written by hand. */
	#lead = '';

	constructor(h: ElementBuilder) {
		const words = strings.axes;
		this.#h = h;
		this.#answer = h('p', { class: 'bnl-axes-text' });
		this.#picture = h('div', { class: 'bnl-axes-picture' });
		this.#pictureDetails = disclosure(h, words.picture, this.#picture);
		this.#pictureDetails.open = true;
		this.#how = h('div', { class: 'bnl-axes-how' });
		this.#howDetails = disclosure(h, words.how, this.#how);
		this.#used = h('p', { class: 'bnl-axes-verdict' });
		this.#residuals = h('div');
		this.#residualDetails = disclosure(h, words.residuals, this.#residuals);
		this.element = h(
			'div',
			{ class: 'bnl-axes', bnl: 'axes' },
			this.#answer,
			this.#used,
			h('div', { class: 'bnl-axes-more' }, this.#pictureDetails, this.#howDetails, this.#residualDetails),
		);
	}

	get lead(): string {
		return this.#lead;
	}

	/** Opens the methods and formulas, and scrolls to the section. */
	reveal(): void {
		this.#pictureDetails.open = true;
		this.#howDetails.open = true;
		this.element.closest('.bnl-section')?.scrollIntoView({ block: 'start' });
	}

	show(layer: LayerReport): void {
		const h = this.#h;
		const explanation = explainAxes(layer);
		const { normalization } = layer;
		const own = methodCards(explanation).find((card) => card.own);
		const byHand = layer.findings.find(({ code }) => code === 'hand-built')?.message;
		this.#lead = own && byHand === undefined ? axesLead(own) : '';
		const { dataset } = this.element;
		dataset.method = byHand === undefined ? String(explanation.method) : '';
		dataset.verdict = normalization?.verdict ?? '';
		replaceChildren(
			this.#answer,
			...(byHand === undefined
				? [h('strong', {}, ...phrases(h, explanation.sentence)), ' ', explanation.remark, ' ', this.#paper()]
				: phrases(h, byHand)),
		);
		// The cards show three methods; a hand-built normalization may have any axes.
		replaceChildren(this.#picture, byHand === undefined && axesPicture(h, methodCards(explanation), explanation));
		setVisible(this.#pictureDetails, byHand === undefined);
		setVisible(this.#howDetails, byHand === undefined);
		// The run judges the axes of batch normalization only.
		setVisible(this.#used, byHand === undefined || normalization !== undefined);
		replaceChildren(
			this.#how,
			h(
				'dl',
				{ class: 'bnl-formulas' },
				...explanation.formulas.flatMap(({ name, text }) => [
					h('dt', {}, name),
					h('dd', { class: 'bnl-formula' }, ...formula(h, text)),
				]),
			),
			...explanation.modes.map(({ mode, title, text }) =>
				h(
					'p',
					{},
					h('strong', {}, title, ': '),
					text,
					mode === layer.mode && h('strong', {}, ` ${strings.axes.ownMode}`),
				),
			),
		);
		this.#showUsed(layer);
	}

	#showUsed({ normalization }: LayerReport): void {
		const h = this.#h;
		const residuals = methodResiduals(normalization);
		replaceChildren(
			this.#used,
			normalization && methodIcon(h, normalization.verdict),
			h('span', {}, h('strong', {}, strings.axes.used, ' '), ...phrases(h, normalizationSentence(normalization))),
		);
		setVisible(this.#residualDetails, residuals.length > 0);
		replaceChildren(
			this.#residuals,
			h('p', {}, ...phrases(h, normalizationNumbers(normalization))),
			h(
				'ul',
				{ class: 'bnl-residuals' },
				...residuals.map(({ method, name, residual, fits }) =>
					h(
						'li',
						{ data: { method, fits: String(fits) } },
						fits ? icon(h, 'check', 'good') : icon(h, 'cross', 'muted'),
						h('span', {}, fits ? h('strong', {}, name) : name),
						h('span', { class: 'bnl-muted' }, residual, fits && `, ${strings.normalization.fits}`),
					),
				),
			),
			h('p', { class: 'bnl-muted' }, strings.normalization.scale(normalization?.values ?? 0)),
		);
	}

	#paper(): Child {
		const attributes = { href: PAPER.url, target: '_blank', rel: 'noreferrer', title: PAPER.url };
		return this.#h('a', { class: 'bnl-link', attributes }, PAPER.citation);
	}
}

/** Returns "One mean and one variance a channel, over N, H, W: m' = 12,544." */
function axesLead({ method, lines }: MethodCard): string {
	const [, over] = lines;
	return `${strings.axes.leads[method]}${over ? `, ${over}` : ''}.`;
}

/** Returns a formula with the parts marked "_{…}" as subscripts. */
function formula(h: ElementBuilder, text: string): Child[] {
	return text.split(/_\{([^}]*)\}/).map((part, i) => (i % 2 === 1 ? h('sub', {}, part) : part));
}
