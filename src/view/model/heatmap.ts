import { firstDrifted } from '../../core/inspection/layer-drift.js';
import type { LayerReport } from '../../core/report/types.js';
import { formatNumber } from '../../core/text/numbers.js';
import type { Theme } from '../plots/theme.js';
import { label, sharedParts, withoutShared } from '../text/names.js';
import type { ElementBuilder } from '../ui/dom.js';
import { replaceChildren, setVisible } from '../ui/dom.js';
import {
	HEATMAP_METRICS,
	type HeatmapMetric,
	heatmapData,
	METRIC_KIND,
	metricValues,
	valueAt,
} from './heatmap-data.js';
import { colorScale, legendBar, paintHeatmap } from './heatmap-paint.js';
import { strings } from './strings.js';

/** Rows of the picture; at its height more would blur together. */
const ROWS = 128;
/** Smallest width of a column that a pointer can hit, in CSS pixels; a wider picture scrolls. */
const MIN_COLUMN = 3;

/** Maximum number of numbers below the picture. */
const MAX_TICKS = 26;

/** Returns the distance of numbered columns: 1, 2, 5, 10, 20 … */
function tickStep(count: number): number {
	const raw = Math.max(1, count / MAX_TICKS);
	const power = 10 ** Math.floor(Math.log10(raw));
	return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= raw) ?? 10 * power;
}

export interface HeatmapOptions {
	readonly h: ElementBuilder;
	theme(): Theme;
	onOpen(layer: number, channel: number | null): void;
	onMetric(metric: HeatmapMetric): void;
	onHide(): void;
}

/**
 * Picture of the whole model: a column per layer, its channels from top to bottom. Drawn on a canvas, so that it does
 * not wait for the plotting library. Keyboard and screen readers reach the same layers through the table.
 */
export class Heatmap {
	readonly element: HTMLElement;
	readonly #canvas: HTMLCanvasElement;
	readonly #marker: HTMLElement;
	readonly #first: HTMLElement;
	readonly #firstButton: HTMLButtonElement;
	readonly #stage: HTMLElement;
	/** Numbers of layers below their columns. */
	readonly #ticks: HTMLElement;
	readonly #scroller: HTMLElement;
	readonly #readout: HTMLElement;
	readonly #legend: HTMLElement;
	readonly #select: HTMLSelectElement;
	#layers: readonly LayerReport[] = [];
	#metric: HeatmapMetric = 'scale';

	readonly #options: HeatmapOptions;

	constructor(options: HeatmapOptions) {
		const { h } = options;
		this.#options = options;
		this.#canvas = this.#createCanvas();
		this.#marker = h('div', { class: 'bnl-heatmap-marker', attributes: { 'aria-hidden': 'true' } });
		this.#first = h('div', { class: 'bnl-heatmap-first', attributes: { 'aria-hidden': 'true' } });
		this.#firstButton = h('button', {
			class: 'bnl-link',
			bnl: 'first-drift',
			attributes: { type: 'button' },
			on: { click: () => options.onOpen(Number(this.#firstButton.dataset.layer), null) },
		});
		this.#ticks = h('div', { class: 'bnl-heatmap-ticks bnl-muted', attributes: { 'aria-hidden': 'true' } });
		const picture = h('div', { class: 'bnl-heatmap-stage' }, this.#canvas, this.#first, this.#marker);
		this.#stage = h('div', { class: 'bnl-heatmap-columns' }, picture, this.#ticks);
		this.#scroller = h('div', { class: 'bnl-heatmap-scroller' }, this.#stage);
		this.#readout = h('span', { class: 'bnl-heatmap-readout bnl-muted' });
		this.#legend = h('span', { class: 'bnl-legend', attributes: { 'aria-hidden': 'true' } });
		this.#select = this.#createSelect();
		const hide = h(
			'button',
			{ class: 'bnl-link', attributes: { type: 'button' }, on: { click: () => options.onHide() } },
			strings.overview.hide,
		);
		this.element = h(
			'div',
			{ class: 'bnl-heatmap', bnl: 'heatmap' },
			h('div', { class: 'bnl-heatmap-head' }, this.#select, this.#firstButton, this.#readout, this.#legend, hide),
			this.#scroller,
		);
	}

	#createCanvas(): HTMLCanvasElement {
		return this.#options.h('canvas', {
			class: 'bnl-heatmap-canvas',
			attributes: { role: 'img' },
			on: {
				pointermove: (event) => this.#explain(event),
				pointerleave: () => this.#explain(null),
				click: (event) => {
					const hit = this.#hit(event);
					if (hit) {
						this.#options.onOpen(hit.index, hit.channel);
					}
				},
			},
		});
	}

	#createSelect(): HTMLSelectElement {
		const { h, onMetric } = this.#options;
		const select = h(
			'select',
			{
				class: 'bnl-select',
				bnl: 'heatmap-metric',
				attributes: { 'aria-label': strings.overview.metricLabel },
				on: { change: () => onMetric(select.value as HeatmapMetric) },
			},
			...HEATMAP_METRICS.map((metric) =>
				h('option', { attributes: { value: metric } }, strings.overview.metrics[metric]),
			),
		);
		return select;
	}

	update(layers: readonly LayerReport[], metric: HeatmapMetric): void {
		this.#layers = layers;
		this.#metric = metric;
		this.#select.value = metric;
		const data = heatmapData(layers, metric, ROWS);
		const hasData = data.columns.some((column) => column !== null);
		const scale = colorScale(this.#options.theme(), METRIC_KIND[metric]);
		const ends = [data.low, data.high].map((end) => formatNumber(valueAt(end, metric), 2));
		setVisible(this.#scroller, hasData);
		setVisible(this.#legend, hasData);
		this.#explain(null);
		this.#canvas.setAttribute(
			'aria-label',
			strings.overview.summary(layers.length, strings.overview.metrics[metric], ends),
		);
		this.#stage.style.minWidth = `${layers.length * MIN_COLUMN}px`;
		paintHeatmap(this.#canvas, data, scale);
		const { h } = this.#options;
		const bar = (from: number, to: number) => legendBar(h, scale, [from, to]);
		const middle = h('span', {}, formatNumber(valueAt((data.low + data.high) / 2, metric), 2));
		const bars = METRIC_KIND[metric] === 'diverging' ? [bar(0, 0.5), middle, bar(0.5, 1)] : [bar(0, 1)];
		replaceChildren(this.#legend, h('span', {}, `≤ ${ends[0]}`), ...bars, h('span', {}, `≥ ${ends[1]}`));
		this.#showTicks();
		this.#showFirstDrift();
		this.element.dataset.metric = metric;
		this.element.dataset.drawn = String(hasData);
	}

	/** Numbers some columns, at even distances and never closer than a number is wide. */
	#showTicks(): void {
		const { h } = this.#options;
		const count = this.#layers.length;
		const step = tickStep(count);
		const ticks = Array.from({ length: Math.ceil(count / step) }, (_, i) => {
			const tick = h('span', {}, String(i * step + 1));
			tick.style.left = `${((i * step + 0.5) / count) * 100}%`;
			return tick;
		});
		replaceChildren(this.#ticks, ...ticks);
	}

	/** Frames the chosen layer's column. */
	mark(selected: number | null): void {
		this.#place(this.#marker, selected);
	}

	/**
	 * Marks the first layer with running statistics that do not fit the data. Drift of later layers may only follow from
	 * it.
	 */
	#showFirstDrift(): void {
		const index = firstDrifted(this.#layers);
		const layer = index === null ? undefined : this.#layers[index];
		setVisible(this.#firstButton, layer !== undefined);
		if (index !== null && layer) {
			this.#firstButton.dataset.layer = String(index);
			const name = withoutShared(layer.name, sharedParts(this.#layers.map((one) => one.name)));
			this.#firstButton.textContent = strings.overview.firstDrift(index + 1, label(name, 40));
		}
		this.#place(this.#first, this.#metric === 'drift' || this.#metric === 'spread' ? index : null);
	}

	/** Frames a layer's column; null hides the frame. */
	#place(frame: HTMLElement, index: number | null): void {
		const width = 100 / Math.max(1, this.#layers.length);
		setVisible(frame, index !== null);
		frame.style.left = `${(index ?? 0) * width}%`;
		frame.style.width = `${width}%`;
	}

	/** Returns the layer and channel below the pointer; `channel` is null if the layer has no values. */
	#hit(
		event: MouseEvent,
	): { readonly index: number; readonly layer: LayerReport; readonly channel: number | null } | null {
		const box = this.#canvas.getBoundingClientRect();
		const index = Math.floor(((event.clientX - box.left) / box.width) * this.#layers.length);
		const layer = this.#layers[index];
		if (!layer) {
			return null;
		}
		const size = metricValues(layer, this.#metric)?.length ?? 0;
		const channel = Math.floor(((event.clientY - box.top) / box.height) * size);
		return { index, layer, channel: size > 0 ? Math.min(size - 1, Math.max(0, channel)) : null };
	}

	#explain(event: MouseEvent | null): void {
		const hit = event && this.#hit(event);
		if (!hit) {
			this.#readout.textContent = this.#scroller.hidden ? strings.overview.noData : strings.overview.axes;
			return;
		}
		const name = strings.overview.position(hit.index, label(hit.layer.name, 80));
		this.#readout.textContent =
			hit.channel === null
				? strings.overview.noValue(name)
				: strings.overview.tip(
						name,
						hit.channel,
						formatNumber(metricValues(hit.layer, this.#metric)?.[hit.channel] ?? Number.NaN),
					);
	}
}
