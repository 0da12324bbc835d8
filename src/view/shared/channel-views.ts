import type { Plotly } from '../plots/plotly.js';
import {
	type ChannelChoice,
	ChannelTable,
	type ChannelTableEvents,
	type ChannelTableOptions,
} from './channel-table.js';
import type { PageContext } from './context.js';
import { type PlotDefinition, PlotPanel } from './plot-panel.js';

/** Plots, table and readout of the channels of the open layer. */
export class ChannelViews<Layer extends { readonly name: string }> {
	/** List of the plots. */
	readonly plots: HTMLElement;
	readonly #context: PageContext;
	readonly #panels: readonly PlotPanel<Layer>[];
	readonly #table: ChannelTable<Layer>;
	#layer: Layer | null = null;
	#channel: number | null = null;
	#plotly: Plotly | null = null;
	/** Number of drawings so far. Older drawings stop. */
	#generation = 0;

	constructor(
		context: PageContext,
		plots: readonly PlotDefinition<Layer>[],
		table: ChannelTableOptions<Layer>,
		events: ChannelTableEvents,
	) {
		this.#context = context;
		this.#panels = plots.map((plot) => {
			const panel: PlotPanel<Layer> = new PlotPanel(context, plot, {
				onChannel: (channel) => events.onChannel(channel),
				onZoom: (range) => this.#zoom(panel, range),
			});
			return panel;
		});
		this.#table = new ChannelTable(context.h, table, events);
		this.plots = context.h('div', { class: 'bnl-plots' }, ...this.#panels.map((panel) => panel.element));
	}

	get table(): HTMLElement {
		return this.#table.element;
	}

	get readout(): HTMLElement {
		return this.#table.readout;
	}

	show(layer: Layer, choice: ChannelChoice): void {
		this.#layer = layer;
		this.#channel = choice.channel;
		this.#table.show(layer, choice);
		this.redraw();
	}

	select(choice: ChannelChoice): void {
		this.#channel = choice.channel;
		for (const panel of this.#panels) {
			panel.select(choice.channel);
		}
		this.#table.select(choice);
	}

	/** Shows the range of channels of one plot in all others. */
	#zoom(source: PlotPanel<Layer>, range: readonly [number, number] | null): void {
		for (const panel of this.#panels.filter((other) => other !== source)) {
			void panel.zoom(range);
		}
	}

	/** Applies another order or filter of the table. */
	updateTable(choice: ChannelChoice): void {
		if (this.#layer) {
			this.#table.show(this.#layer, choice);
			this.#table.render();
		}
	}

	/** Draws the plots in turn, so that the page can respond between them. */
	redraw(): void {
		const layer = this.#layer;
		const generation = ++this.#generation;
		if (!layer) {
			return;
		}
		for (const panel of this.#panels) {
			panel.prepare(layer);
		}
		void this.#draw(() => generation === this.#generation);
	}

	/** Stops drawing when the detail or its page closes. */
	hide(): void {
		this.#generation++;
		this.#layer = null;
	}

	dispose(): void {
		this.hide();
		for (const panel of this.#panels) {
			panel.dispose();
		}
	}

	/** Renders the table after the first plot, or before it while plotly is still loading. */
	async #draw(isCurrent: () => boolean): Promise<void> {
		try {
			if (!this.#plotly) {
				this.#table.render();
				this.#plotly = await this.#context.plotly();
			}
			for (const panel of this.#panels) {
				if (!isCurrent()) {
					return;
				}
				await panel.draw(this.#plotly, this.#channel);
				await nextTask();
				this.#table.render();
			}
			this.#context.actions.mark?.('plots');
		} catch (error) {
			for (const panel of this.#panels) {
				panel.fail(error);
			}
		}
	}
}

/** Lets input, scrolling and painting happen between two plots. */
function nextTask(): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, 0));
}
