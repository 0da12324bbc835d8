import type { LayerComparison } from '../../core/report/comparison.js';
import { columnFormatter, formatInteger, formatNumber } from '../../core/text/numbers.js';
import type { SortOrder } from '../model/state.js';
import { strings as shared } from '../text/strings.js';
import { type Column, DataGrid } from '../ui/data-grid.js';
import { append, replaceChildren, setVisible } from '../ui/dom.js';
import type { ComparisonContext } from './context.js';
import { channelCount, isWrong, relativeRatios, wrongChannels } from './facts.js';
import type { ComparisonState } from './state.js';
import { strings } from './strings.js';

export interface ComparedChannelEvents {
	onChannel(channel: number | null): void;
	onChannelSort(sort: SortOrder): void;
	onOnlyWrong(onlyWrong: boolean): void;
}

/** The per-channel arrays of a layer under the ids of their columns; those that the comparison lacks are absent. */
export function comparedSeries(layer: LayerComparison): ReadonlyMap<string, ArrayLike<number>> {
	const { perChannel } = layer;
	const all: readonly (readonly [string, ArrayLike<number> | undefined])[] = [
		['expectedRatio', perChannel.expectedRatio],
		['weightRatio', perChannel.weightRatio],
		['rho', relativeRatios(layer)],
		['weightResidual', perChannel.weightResidual],
		['expectedBias', perChannel.expectedBias],
		['foundBias', perChannel.foundBias],
		['biasError', perChannel.biasError],
		['biasBound', perChannel.biasBound],
		['boundRatio', perChannel.boundRatio],
	];
	return new Map(all.filter((entry): entry is [string, ArrayLike<number>] => (entry[1]?.length ?? 0) > 0));
}

/** The numbers behind the plots, sortable, and the readout of the one channel that is chosen everywhere. */
export class ComparedChannels {
	readonly element: HTMLElement;
	readonly readout: HTMLElement;
	readonly #grid: DataGrid<number>;
	readonly #onlyWrong: HTMLInputElement;
	readonly #onlyWrongLabel: HTMLElement;
	readonly #count: HTMLElement;
	#layer: LayerComparison | null = null;

	constructor(
		private readonly context: ComparisonContext,
		private readonly events: ComparedChannelEvents,
	) {
		const { h } = context;
		this.#grid = new DataGrid<number>({
			h,
			label: strings.detail.table,
			bnl: { table: 'channel-table', row: 'channel-row' },
			columns: [],
			renderAll: 40,
			key: (channel) => channel,
			rowData: (channel) => ({ channel: String(channel), wrong: String(this.#isWrong(channel)) }),
			rowLabel: (channel) =>
				this.#isWrong(channel)
					? `${shared.channel.name(channel)}, ${strings.plots.wrong}`
					: shared.channel.name(channel),
			onOpen: (channel) => events.onChannel(channel),
			onSort: (sort) => events.onChannelSort(sort),
		});
		this.#onlyWrong = h('input', {
			bnl: 'only-wrong',
			attributes: { type: 'checkbox' },
			on: { change: () => events.onOnlyWrong(this.#onlyWrong.checked) },
		});
		this.#onlyWrongLabel = h('label', { class: 'bnl-checkbox' }, this.#onlyWrong, strings.channel.onlyWrong);
		this.#count = h('span', { class: 'bnl-muted' });
		this.element = h(
			'div',
			{ class: 'bnl-channel-table' },
			h('div', { class: 'bnl-toolbar' }, this.#onlyWrongLabel, this.#count),
			this.#grid.element,
		);
		this.readout = h('div', { class: 'bnl-readout', bnl: 'channel-readout' });
	}

	show(layer: LayerComparison, state: ComparisonState): void {
		this.#layer = layer;
		const all = Array.from({ length: channelCount(layer) }, (_, channel) => channel);
		const wrong = wrongChannels(layer);
		const filtered = state.onlyWrong && wrong.length > 0;
		const rows = filtered ? wrong : all;
		this.#onlyWrong.checked = filtered;
		setVisible(this.#onlyWrongLabel, wrong.length > 0);
		this.#count.textContent = shared.channel.shown(rows.length, all.length);
		this.#grid.setColumns(channelColumns(layer));
		this.#grid.update(rows, state.channelSort, state.channel);
		this.#showReadout(layer, state.channel);
	}

	select(state: ComparisonState): void {
		if (!this.#layer) {
			return;
		}
		this.#grid.select(state.channel);
		if (state.channel !== null) {
			this.#grid.reveal(state.channel);
		}
		this.#showReadout(this.#layer, state.channel);
	}

	#isWrong(channel: number): boolean {
		return this.#layer !== null && isWrong(this.#layer, channel);
	}

	#showReadout(layer: LayerComparison, channel: number | null): void {
		const { h } = this.context;
		replaceChildren(this.readout);
		delete this.readout.dataset.channel;
		if (channel === null || channel >= channelCount(layer)) {
			append(this.readout, [h('span', { class: 'bnl-muted' }, shared.channel.readoutHint)]);
			return;
		}
		this.readout.dataset.channel = String(channel);
		const pairs = [...comparedSeries(layer)].map(([id, values]) =>
			h(
				'div',
				{ class: 'bnl-pair' },
				h('dt', {}, strings.channel.columns[id]?.[0] ?? id),
				h('dd', {}, formatNumber(values[channel] ?? Number.NaN, 6)),
			),
		);
		append(this.readout, [
			h('strong', {}, shared.channel.name(channel)),
			h('dl', { class: 'bnl-pairs' }, ...pairs),
			h(
				'button',
				{ class: 'bnl-link', attributes: { type: 'button' }, on: { click: () => this.events.onChannel(null) } },
				shared.channel.clear,
			),
		]);
	}
}

function channelColumns(layer: LayerComparison): readonly Column<number>[] {
	const columns: Column<number>[] = [column('channel', (channel) => channel, formatInteger)];
	for (const [id, values] of comparedSeries(layer)) {
		const format = columnFormatter(values);
		columns.push(column(id, (channel) => values[channel] ?? Number.NaN, format));
	}
	return columns;
}

function column(id: string, value: (channel: number) => number, text: (value: number) => string): Column<number> {
	const [title, description] = strings.channel.columns[id] ?? [id, id];
	return {
		id,
		title,
		description,
		kind: 'number',
		priority: 1,
		value,
		render: (channel, cell) => {
			cell.textContent = text(value(channel));
		},
	};
}
