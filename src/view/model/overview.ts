import type { LayerReport } from '../../core/report/types.js';
import { setVisible } from '../ui/dom.js';
import { Heatmap, type HeatmapOptions } from './heatmap.js';
import type { HeatmapMetric } from './heatmap-data.js';
import { strings } from './strings.js';

export interface OverviewOptions extends Omit<HeatmapOptions, 'onHide'> {
	onToggle(shown: boolean): void;
}

interface Drawn {
	readonly layers: readonly LayerReport[];
	readonly metric: HeatmapMetric;
}

/** The heatmap, which the user can hide; drawn only if it is visible and its data changed. */
export class Overview {
	readonly element: HTMLElement;
	readonly #heatmap: Heatmap;
	readonly #show: HTMLButtonElement;
	#drawn: Drawn | null = null;

	constructor(options: OverviewOptions) {
		const { h } = options;
		this.#heatmap = new Heatmap({ ...options, onHide: () => options.onToggle(false) });
		this.#show = h(
			'button',
			{ class: 'bnl-link', attributes: { type: 'button' }, on: { click: () => options.onToggle(true) } },
			strings.overview.show,
		);
		this.element = h(
			'section',
			{ class: 'bnl-overview', attributes: { 'aria-label': strings.overview.title } },
			this.#heatmap.element,
			this.#show,
		);
	}

	update(shown: boolean, { layers, metric }: Drawn, selected: number | null): void {
		setVisible(this.#heatmap.element, shown);
		setVisible(this.#show, !shown);
		if (shown && (this.#drawn?.layers !== layers || this.#drawn.metric !== metric)) {
			this.#heatmap.update(layers, metric);
			this.#drawn = { layers, metric };
		}
		this.#heatmap.mark(selected);
	}

	/** Makes the next update draw with new colors. */
	invalidate(): void {
		this.#drawn = null;
	}
}
