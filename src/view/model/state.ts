import { fieldsOf, type LayerChoice, parseLayerChoice } from '../shared/stored-state.js';
import type { FindingChoice } from './finding-filter.js';
import { HEATMAP_METRICS, type HeatmapMetric } from './heatmap-data.js';

/** The user's choices on the page of a model; they outlive hiding and reloading it. Plain JSON. */
export interface ViewState extends LayerChoice {
	readonly flaggedOnly: boolean;
	/** Color of the overview; '' for the color that shows the headline best. */
	readonly metric: HeatmapMetric | '';
	/** Findings that the table of layers is limited to; '' for all layers. */
	readonly finding: FindingChoice;
	/** True if the overview is open. */
	readonly overview: boolean;
	/** True if the form of run options is open. */
	readonly form: boolean;
	/** Scroll offsets in CSS pixels. */
	readonly scroll: { readonly page: number; readonly table: number; readonly detail: number };
}

export const INITIAL_STATE: ViewState = {
	layer: null,
	channel: null,
	sort: { by: 'index', descending: false },
	filter: '',
	channelSort: { by: 'channel', descending: false },
	flaggedOnly: false,
	finding: '',
	metric: '',
	overview: true,
	form: false,
	scroll: { page: 0, table: 0, detail: 0 },
};

/** Reads a state that may come from another version of the page; members that do not fit get their initial value. */
export function parseViewState(value: unknown): ViewState {
	const from = fieldsOf(value);
	const scroll = fieldsOf(from.scroll);
	return {
		...parseLayerChoice(from, INITIAL_STATE),
		flaggedOnly: from.flaggedOnly === true,
		finding: typeof from.finding === 'string' ? from.finding : '',
		metric: HEATMAP_METRICS.find((metric) => metric === from.metric) ?? INITIAL_STATE.metric,
		overview: from.overview !== false,
		form: from.form === true,
		scroll: { page: offset(scroll.page), table: offset(scroll.table), detail: offset(scroll.detail) },
	};
}

function offset(value: unknown): number {
	return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0;
}
