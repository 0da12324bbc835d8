import { fieldsOf, type LayerChoice, parseLayerChoice } from '../shared/stored-state.js';

/** The user's choices on the comparison page; they outlive hiding and reloading it. Plain JSON. */
export interface ComparisonState extends LayerChoice {
	readonly onlyWrong: boolean;
	/** True if the picture of the values along the network is shown. */
	readonly parting: boolean;
}

export const INITIAL_COMPARISON_STATE: ComparisonState = {
	layer: undefined,
	channel: null,
	sort: { by: 'status', descending: false },
	filter: '',
	channelSort: { by: 'channel', descending: false },
	onlyWrong: false,
	parting: true,
};

/** Reads a state, perhaps of another version of the page. Members that do not fit get their initial value. */
export function parseComparisonState(value: unknown): ComparisonState {
	const from = fieldsOf(value);
	return {
		...parseLayerChoice(from, INITIAL_COMPARISON_STATE),
		onlyWrong: from.onlyWrong === true,
		parting: from.parting !== false,
	};
}
