import type { Comparison } from '../../core/report/comparison/comparison.js';
import { isQuantized } from '../../core/report/comparison/signal.js';
import { PlotPanel } from '../shared/plot-panel.js';
import { fullLabel } from '../text/names.js';
import { replaceChildren, setVisible } from '../ui/dom.js';
import type { ComparisonContext } from './context.js';
import { hasRatios, partingFigure } from './plots/parting.js';
import { strings } from './strings.js';

/** A comparison under the name that saved images get. */
interface NamedComparison {
	readonly name: string;
	readonly comparison: Comparison;
}

export interface PartingEvents {
	/** Opens a layer. */
	onOpen(index: number): void;
	onToggle(shown: boolean): void;
}

/** Picture of the values along the network, which the user can hide. Without compared values, a sentence. */
export class PartingPicture {
	readonly element: HTMLElement;
	readonly #context: ComparisonContext;
	readonly #panel: PlotPanel<NamedComparison>;
	readonly #missing: HTMLElement;
	readonly #caption: HTMLElement | null;
	readonly #show: HTMLButtonElement;
	readonly #hide: HTMLButtonElement;
	#comparison: Comparison | null = null;
	#layer: number | null = null;
	#isShown = true;
	#generation = 0;

	constructor(context: ComparisonContext, { onOpen, onToggle }: PartingEvents) {
		const { h } = context;
		const { title, show, hide } = strings.parting;
		const toggle = (text: string, shown: boolean): HTMLButtonElement =>
			h(
				'button',
				{
					class: 'bnl-link',
					bnl: 'parting-toggle',
					attributes: { type: 'button' },
					on: { click: () => onToggle(shown) },
				},
				text,
			);
		this.#context = context;
		this.#show = toggle(show, true);
		this.#hide = toggle(hide, false);
		this.#panel = new PlotPanel<NamedComparison>(
			context,
			{
				kind: 'parting',
				title,
				caption: strings.parting.captions.float,
				has: ({ comparison }) => hasRatios(comparison),
				build: ({ comparison }, theme) => partingFigure(comparison, theme),
				missing: () => '',
			},
			{ onChannel: onOpen },
		);
		this.#missing = h('p', { class: 'bnl-muted' });
		this.#caption = this.#panel.element.querySelector('.bnl-figure-caption');
		this.#panel.element.querySelector('.bnl-figure-tools')?.append(this.#hide);
		this.element = h(
			'section',
			{ class: 'bnl-parting', bnl: 'parting', attributes: { 'aria-label': title } },
			this.#panel.element,
			this.#missing,
			this.#show,
		);
		setVisible(this.element, false);
	}

	/** @param layer index of the open layer, which the picture marks */
	update(comparison: Comparison, shown: boolean, layer: number | null): void {
		const isDrawable = hasRatios(comparison);
		const reason = isDrawable ? '' : missingReason(comparison);
		setVisible(this.element, isDrawable || reason !== '');
		setVisible(this.#show, isDrawable && !shown);
		setVisible(this.#missing, reason !== '');
		replaceChildren(this.#missing, fullLabel(reason));
		if (this.#caption) {
			this.#caption.textContent = strings.parting.captions[isQuantized(comparison) ? 'quantized' : 'float'];
		}
		const isNew = this.#comparison !== comparison || this.#isShown !== shown;
		this.#comparison = comparison;
		this.#isShown = shown;
		this.#layer = layer;
		if (isNew) {
			this.redraw();
		} else {
			this.#panel.select(layer);
		}
	}

	/** Frames another layer. */
	select(layer: number | null): void {
		this.#layer = layer;
		this.#panel.select(layer);
	}

	/** Draws again, for example with other colors. */
	redraw(): void {
		const comparison = this.#comparison;
		const isDrawable = comparison !== null && this.#isShown && hasRatios(comparison);
		const generation = ++this.#generation;
		if (comparison) {
			this.#panel.prepare({ name: strings.parting.title, comparison });
		}
		setVisible(this.#panel.element, isDrawable);
		if (isDrawable) {
			// The table is on screen before megabytes of plotly load.
			this.#context.document.defaultView?.setTimeout(() => void this.#draw(generation), 0);
		}
	}

	dispose(): void {
		this.#generation++;
		this.#panel.dispose();
	}

	async #draw(generation: number): Promise<void> {
		try {
			const plotly = await this.#context.plotly();
			if (generation === this.#generation) {
				await this.#panel.draw(plotly, this.#layer);
			}
		} catch (error) {
			this.#panel.fail(error);
		}
	}
}

/** Returns the reason as a sentence; '' without layers or if the outputs' line gives it. */
function missingReason({ layers, outputs }: Comparison): string {
	if (layers.length === 0 || outputs?.status === 'skipped') {
		return '';
	}
	const reason = layers.find(({ behavior }) => behavior?.reason !== undefined)?.behavior?.reason;
	return strings.parting.missing(reason ?? strings.parting.notCompared);
}
