import { shorten } from '../../core/text/names.js';
import { messageOf } from '../../core/text/sentences.js';
import { type Figure, PLOTLY_CONFIG, type PlotElement, type Plotly } from '../plots/plotly.js';
import type { Theme } from '../plots/theme.js';
import { strings } from '../text/strings.js';
import { replaceChildren, setVisible } from '../ui/dom.js';
import { withSigns } from '../ui/phrases.js';
import type { PageContext } from './context.js';

/** A kind of plot for layers of a report or comparison. */
export interface PlotDefinition<Layer> {
	/** Name in the document and in saved images' file names. */
	readonly kind: string;
	readonly title: string;
	readonly caption: string;
	/** Returns true if the layer has the values that the figure needs. Much faster than building the figure. */
	has(layer: Layer): boolean;
	build(layer: Layer, theme: Theme): Figure | null;
	/** Returns the sentence in place of a figure that the layer does not have; '' hides the panel. */
	missing(layer: Layer): string;
}

export interface PlotEvents {
	onChannel(channel: number): void;
	/** Another range of channels is shown; null for all channels. */
	onZoom?(range: readonly [number, number] | null): void;
}

/**
 * A plot of the open layer. Its height is fixed before the plot is drawn, so that the page does not jump. The element
 * stays when the layer changes, which makes a redraw about twice as fast as a new plot.
 */
export class PlotPanel<Layer extends { readonly name: string }> {
	readonly element: HTMLElement;
	readonly #context: PageContext;
	readonly #plot: PlotDefinition<Layer>;
	readonly #events: PlotEvents;
	readonly #area: PlotElement;
	readonly #message: HTMLElement;
	readonly #notes: HTMLElement;
	readonly #reset: HTMLButtonElement;
	readonly #save: HTMLButtonElement;
	#figure: Figure | null = null;
	/** Ranges of the axes before zooming; plotly overwrites the layout. */
	#ranges: Readonly<Record<string, readonly number[]>> = {};
	/** Layer to draw; null without values for this plot. */
	#layer: Layer | null = null;
	#plotly: Plotly | null = null;
	#channel: number | null = null;
	#resize = 0;
	/** True while `zoom` changes the range. */
	#isZooming = false;
	readonly #observer: ResizeObserver | null;

	constructor(context: PageContext, plot: PlotDefinition<Layer>, events: PlotEvents) {
		const { h } = context;
		this.#context = context;
		this.#plot = plot;
		this.#events = events;
		const { kind, title, caption } = plot;
		this.#area = h('div', {
			class: 'bnl-plot-area',
			attributes: { role: 'img', 'aria-label': title },
		});
		this.#message = h('p', { class: 'bnl-plot-message bnl-muted' });
		this.#notes = h('p', { class: 'bnl-plot-notes bnl-muted' });
		this.#reset = this.#button(strings.plots.resetZoom, () => this.#resetZoom());
		this.#save = this.#button(strings.plots.saveImage, () => void this.#saveImage());
		this.element = h(
			'figure',
			{ class: 'bnl-figure', bnl: 'plot', data: { plot: kind, drawn: 'false' } },
			h(
				'figcaption',
				{},
				h('span', { class: 'bnl-figure-title' }, title),
				h('span', { class: 'bnl-muted bnl-figure-caption' }, caption),
			),
			h('div', { class: 'bnl-figure-tools' }, this.#reset, context.actions.saveImage && this.#save),
			h('div', { class: 'bnl-plot-stage' }, this.#area, this.#message),
			this.#notes,
		);
		const Observer = context.document.defaultView?.ResizeObserver;
		this.#observer = Observer ? new Observer(() => this.#onResize()) : null;
		this.#observer?.observe(this.#area);
	}

	/** Sets the panel's height and message before the plot is drawn. */
	prepare(layer: Layer): void {
		const drawable = this.#plot.has(layer);
		const missing = drawable ? '' : this.#plot.missing(layer);
		this.#layer = drawable ? layer : null;
		this.element.dataset.drawn = 'false';
		setVisible(this.#area, drawable);
		this.element.classList.toggle('bnl-figure-empty', !drawable);
		setVisible(this.element, drawable || missing !== '');
		this.#say(drawable ? strings.plots.loading : missing);
		replaceChildren(this.#notes);
		setVisible(this.#reset, false);
		setVisible(this.#save, false);
	}

	/** Draws the prepared layer; resolves when the plot or its error is on screen. */
	async draw(plotly: Plotly, channel: number | null): Promise<void> {
		const layer = this.#layer;
		this.#plotly = plotly;
		this.#channel = channel;
		if (!layer) {
			return;
		}
		try {
			const figure = this.#plot.build(layer, this.#context.theme());
			this.#figure = figure;
			if (!figure) {
				return;
			}
			this.#ranges = axisRanges(figure.layout);
			this.#area.setAttribute('aria-label', `${this.#plot.title}: ${figure.summary}`);
			replaceChildren(this.#notes, ...withSigns(this.#context.h, figure.notes.join(' ')));
			await plotly.react(this.#area, figure.data, this.#layout(figure), PLOTLY_CONFIG);
			this.#listen();
			this.#say('');
			setVisible(this.#save, true);
			this.element.dataset.drawn = 'true';
		} catch (error) {
			this.fail(error);
		}
	}

	fail(error: unknown): void {
		if (this.#layer) {
			this.#say(strings.plots.unavailable(messageOf(error)));
			this.element.dataset.drawn = 'failed';
		}
	}

	/** Marks a channel; fast, because only shapes are redrawn. */
	select(channel: number | null): void {
		this.#channel = channel;
		if (this.#figure && this.#plotly && this.element.dataset.drawn === 'true') {
			void this.#plotly.relayout(this.#area, { shapes: this.#layout(this.#figure).shapes });
		}
	}

	/** Shows a range of channels, null for all, if the figure is drawn over channels. */
	async zoom(range: readonly [number, number] | null): Promise<void> {
		const shown = range ?? this.#ranges['xaxis.range'];
		if (!this.#figure?.isOverChannels || !this.#plotly || !shown || this.element.dataset.drawn !== 'true') {
			return;
		}
		this.#isZooming = true;
		try {
			await this.#plotly.relayout(this.#area, { 'xaxis.range': [...shown] });
		} finally {
			this.#isZooming = false;
		}
		setVisible(this.#reset, range !== null);
	}

	dispose(): void {
		this.#observer?.disconnect();
		this.#context.document.defaultView?.cancelAnimationFrame(this.#resize);
		this.#plotly?.purge(this.#area);
	}

	#layout(figure: Figure): Figure['layout'] {
		const marks = this.#channel === null ? [] : figure.mark(this.#channel);
		return { ...figure.layout, shapes: [...figure.layout.shapes, ...marks] };
	}

	#button(text: string, onClick: () => void): HTMLButtonElement {
		const button = this.#context.h(
			'button',
			{
				class: 'bnl-link',
				attributes: { type: 'button', 'aria-label': `${text} (${this.#plot.title})` },
				on: { click: onClick },
			},
			text,
		);
		button.hidden = true;
		return button;
	}

	#listening = false;

	#listen(): void {
		if (this.#listening || !this.#area.on) {
			return;
		}
		this.#listening = true;
		this.#area.on('plotly_click', ({ points }) => {
			const data = points[0]?.customdata;
			if (Array.isArray(data) && typeof data[0] === 'number') {
				this.#events.onChannel(data[0]);
			}
		});
		this.#area.on('plotly_relayout', (update) => {
			// A zoom reports both ends of a range separately; a reset reports whole ranges.
			const zoomed = Object.keys(update).some((key) => key.endsWith('.range[0]'));
			if (zoomed || Object.keys(update).some((key) => key.endsWith('.range'))) {
				setVisible(this.#reset, zoomed);
				this.#reportZoom(update);
			}
		});
	}

	/** Reports another range of channels, but not the range that `zoom` has set. */
	#reportZoom(update: Readonly<Record<string, unknown>>): void {
		const [low, high] = [update['xaxis.range[0]'], update['xaxis.range[1]']];
		const range = typeof low === 'number' && typeof high === 'number' ? ([low, high] as const) : null;
		if (this.#figure?.isOverChannels && !this.#isZooming) {
			this.#events.onZoom?.(range);
		}
	}

	#resetZoom(): void {
		void this.#plotly?.relayout(this.#area, this.#ranges);
	}

	async #saveImage(): Promise<void> {
		const { saveImage } = this.#context.actions;
		if (this.#plotly && saveImage) {
			// Removes the head of the data URL, up to its comma.
			const image = async (options: Readonly<Record<string, unknown>>) =>
				(await this.#plotly?.toImage(this.#area, options))?.replace(/^[^,]*,/, '') ?? '';
			const png = Uint8Array.from(atob(await image({ format: 'png', scale: 2 })), (character) =>
				character.charCodeAt(0),
			);
			const svg = decodeURIComponent(await image({ format: 'svg' }));
			saveImage({ name: `${shorten(this.#layer?.name ?? '', 60)} ${this.#plot.kind}`, png, svg });
		}
	}

	#onResize(): void {
		const view = this.#context.document.defaultView;
		view?.cancelAnimationFrame(this.#resize);
		this.#resize =
			view?.requestAnimationFrame(() => {
				// Plotly fails in a hidden panel, which has no width.
				if (this.#plotly && this.#area.clientWidth > 0 && this.element.dataset.drawn === 'true') {
					void this.#plotly.Plots.resize(this.#area);
				}
			}) ?? 0;
	}

	#say(text: string): void {
		this.#message.textContent = text;
		setVisible(this.#message, text !== '');
	}
}

/** Returns the ends of every axis of a layout, under keys such as "xaxis.range". */
function axisRanges(layout: Figure['layout']): Record<string, readonly number[]> {
	const ranges: Record<string, readonly number[]> = {};
	for (const [key, value] of Object.entries(layout)) {
		const range = /^[xy]axis/.test(key) ? (value as { readonly range?: readonly number[] }).range : undefined;
		if (range) {
			ranges[`${key}.range`] = [...range];
		}
	}
	return ranges;
}
