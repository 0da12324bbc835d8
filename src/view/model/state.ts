import { HEATMAP_METRICS, type HeatmapMetric } from './heatmap-data.js';

/** What the user has chosen on the page; survives hiding and reloading. Plain JSON. */
export interface ViewState {
	/** Name of the open layer. */
	readonly layer: string | null;
	readonly channel: number | null;
	readonly sort: SortOrder;
	readonly filter: string;
	readonly channelSort: SortOrder;
	readonly flaggedOnly: boolean;
	readonly metric: HeatmapMetric;
	readonly overview: boolean;
	/** Whether the form of how to run the model is open. */
	readonly form: boolean;
	/** Scroll offsets in CSS pixels. */
	readonly scroll: { readonly page: number; readonly table: number; readonly detail: number };
}

export interface SortOrder {
	/** Column id. */
	readonly by: string;
	readonly descending: boolean;
}

export const INITIAL_STATE: ViewState = {
	layer: null,
	channel: null,
	sort: { by: 'index', descending: false },
	filter: '',
	channelSort: { by: 'channel', descending: false },
	flaggedOnly: false,
	metric: 'scale',
	overview: true,
	form: false,
	scroll: { page: 0, table: 0, detail: 0 },
};

/** Reads a state that may come from another version of the page: what does not fit falls back to its initial value. */
export function parseViewState(value: unknown): ViewState {
	const from = fields(value);
	const scroll = fields(from.scroll);
	return {
		layer: typeof from.layer === 'string' ? from.layer : null,
		channel: isIndex(from.channel) ? from.channel : null,
		sort: parseSort(from.sort, INITIAL_STATE.sort),
		filter: typeof from.filter === 'string' ? from.filter : '',
		channelSort: parseSort(from.channelSort, INITIAL_STATE.channelSort),
		flaggedOnly: from.flaggedOnly === true,
		metric: HEATMAP_METRICS.find((metric) => metric === from.metric) ?? INITIAL_STATE.metric,
		overview: from.overview !== false,
		form: from.form === true,
		scroll: { page: offset(scroll.page), table: offset(scroll.table), detail: offset(scroll.detail) },
	};
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
	return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function parseSort(value: unknown, fallback: SortOrder): SortOrder {
	const { by, descending } = fields(value);
	return typeof by === 'string' ? { by, descending: descending === true } : fallback;
}

function isIndex(value: unknown): value is number {
	return Number.isSafeInteger(value) && (value as number) >= 0;
}

function offset(value: unknown): number {
	return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0;
}
