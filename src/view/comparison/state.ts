import type { SortOrder } from '../model/state.js';

/** What the user has chosen on the comparison page; survives hiding and reloading. Plain JSON. */
export interface ComparisonState {
	/** Name of the open layer; null: closed by the user, undefined: not chosen yet. */
	readonly layer: string | null | undefined;
	readonly channel: number | null;
	readonly sort: SortOrder;
	readonly filter: string;
	readonly channelSort: SortOrder;
	readonly onlyWrong: boolean;
}

export const INITIAL_COMPARISON_STATE: ComparisonState = {
	layer: undefined,
	channel: null,
	sort: { by: 'index', descending: false },
	filter: '',
	channelSort: { by: 'channel', descending: false },
	onlyWrong: false,
};

/** Reads a state that may come from another version of the page: what does not fit falls back to its initial value. */
export function parseComparisonState(value: unknown): ComparisonState {
	const from = fields(value);
	const isLayer = typeof from.layer === 'string' || from.layer === null;
	const isIndex = Number.isSafeInteger(from.channel) && (from.channel as number) >= 0;
	return {
		layer: isLayer ? (from.layer as string | null) : undefined,
		channel: isIndex ? (from.channel as number) : null,
		sort: parseSort(from.sort, INITIAL_COMPARISON_STATE.sort),
		filter: typeof from.filter === 'string' ? from.filter : '',
		channelSort: parseSort(from.channelSort, INITIAL_COMPARISON_STATE.channelSort),
		onlyWrong: from.onlyWrong === true,
	};
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
	return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function parseSort(value: unknown, fallback: SortOrder): SortOrder {
	const { by, descending } = fields(value);
	return typeof by === 'string' ? { by, descending: descending === true } : fallback;
}
