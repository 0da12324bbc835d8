import { label } from '../text/names.js';
import { strings } from '../text/strings.js';
import type { DetailEvents, LayerDetail } from './layer-detail.js';
import type { LayersPanel } from './layers-panel.js';
import type { PageShell } from './page-shell.js';
import type { LayerChoice, StoredState } from './stored-state.js';

export interface LayerChooserParts<Layer extends { readonly name: string }, State extends LayerChoice> {
	readonly shell: PageShell;
	readonly state: StoredState<State>;
	readonly layers: LayersPanel<Layer>;
	createDetail(events: DetailEvents): LayerDetail<Layer, State>;
	/** Returns the change of state that leaves all or only marked channels in the channel table. */
	onlyMarked(only: boolean): Partial<State>;
	/** Called with the open layer's index after it is shown. */
	onShown?(index: number | null): void;
}

/** Opens, closes and steps through the layers of a page, and keeps table and detail in line with the choice. */
export class LayerChooser<Layer extends { readonly name: string }, State extends LayerChoice> {
	readonly detail: LayerDetail<Layer, State>;
	readonly #parts: LayerChooserParts<Layer, State>;
	#all: readonly Layer[] = [];
	#shownLayer: Layer | null = null;

	constructor(parts: LayerChooserParts<Layer, State>) {
		this.#parts = parts;
		this.detail = parts.createDetail({
			onClose: () => this.close(),
			onStep: (direction) => this.#step(direction),
			onChannel: (channel) => {
				parts.state.change({ channel });
				this.detail.selectChannel(parts.state.current);
			},
			onChannelSort: (channelSort) => this.#changeTable({ channelSort }),
			onOnlyMarked: (only) => this.#changeTable(parts.onlyMarked(only)),
		});
	}

	/** Index of the open layer in the report. */
	get index(): number | null {
		const { layer } = this.#parts.state.current;
		const index = this.#all.findIndex(({ name }) => name === layer);
		return index < 0 ? null : index;
	}

	/** Replaces the layers that can be chosen. */
	update(all: readonly Layer[]): void {
		this.#all = all;
		this.#show();
	}

	/** @param channel null keeps the channel if the layer stays the same. */
	open(index: number, channel: number | null, byUser: boolean): void {
		const layer = this.#all[index];
		if (!layer) {
			return;
		}
		const { shell, state, layers } = this.#parts;
		const isSame = layer.name === state.current.layer;
		state.change({ layer: layer.name, channel: isSame && channel === null ? state.current.channel : channel });
		this.#show();
		if (!isSame) {
			this.detail.element.scrollTop = 0;
		}
		if (isSame || channel !== null) {
			this.detail.selectChannel(state.current);
		}
		layers.reveal(index);
		if (byUser) {
			shell.context.announce(strings.detail.label(label(layer.name)));
			this.bringDetailIntoView();
		}
	}

	/** Scrolls to the detail in a narrow window, where it opens below the table and out of sight. */
	bringDetailIntoView(): void {
		const detail = this.detail.element;
		if (detail.getBoundingClientRect().top >= this.#parts.layers.element.getBoundingClientRect().bottom) {
			detail.scrollIntoView({ block: 'start' });
		}
	}

	/** Closes the detail and returns the focus to the table. */
	close(): void {
		const { index } = this;
		this.#parts.state.change({ layer: null, channel: null });
		this.#show();
		if (index !== null) {
			this.#parts.layers.focusRow(index);
		}
	}

	#changeTable(change: Partial<State> | Partial<LayerChoice>): void {
		this.#parts.state.change(change);
		this.detail.updateTable(this.#parts.state.current);
	}

	/** @param direction -1: previous, 1: next, in the order of the table. */
	#step(direction: -1 | 1): void {
		const { index } = this;
		const next = index === null ? null : this.#parts.layers.neighbor(index, direction);
		if (next !== null) {
			this.open(next, null, true);
		}
	}

	#show(): void {
		const { shell, state, layers, onShown } = this.#parts;
		const { detail } = this;
		const { index } = this;
		const layer = index === null ? null : (this.#all[index] ?? null);
		layers.select(index);
		// Plotly cannot draw into a hidden element.
		shell.hasDetail = layer !== null;
		if (index === null || layer === null) {
			detail.hide();
		} else if (layer !== this.#shownLayer) {
			detail.show(layer, { index, all: this.#all.length }, state.current);
		}
		this.#shownLayer = layer;
		onShown?.(index);
	}
}
