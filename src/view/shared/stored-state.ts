import type { SortOrder } from '../ui/sorting.js';

/** The user's choices that every page of layers has. Plain JSON. */
export interface LayerChoice {
	/** Name of the open layer; null: none; undefined: no choice yet. */
	readonly layer: string | null | undefined;
	/** Index of the chosen channel of that layer. */
	readonly channel: number | null;
	readonly sort: SortOrder;
	readonly filter: string;
	readonly channelSort: SortOrder;
}

/** The user's choices, which outlive hiding and reloading the page. */
export class StoredState<State extends LayerChoice> {
	#current: State;
	readonly #store: ((state: State) => void) | undefined;

	/** @param store keeps the state outside the page. */
	constructor(initial: State, store: ((state: State) => void) | undefined) {
		this.#current = initial;
		this.#store = store;
	}

	get current(): State {
		return this.#current;
	}

	/** Applies and stores a choice of the user. */
	change(change: Partial<State> | Partial<LayerChoice>): void {
		this.assume(change);
		this.#store?.(this.#current);
	}

	/** Applies a choice that the page made itself, without storing it. */
	assume(change: Partial<State> | Partial<LayerChoice>): void {
		this.#current = { ...this.#current, ...change };
	}
}

/** Returns the members of a stored object; none for other values. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
	return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/** Reads the common part of a state, which may come from another version of the page. */
export function parseLayerChoice<Choice extends LayerChoice>(
	from: Readonly<Record<string, unknown>>,
	initial: Choice,
): LayerChoice {
	return {
		layer: typeof from.layer === 'string' || from.layer === null ? from.layer : initial.layer,
		channel: isIndex(from.channel) ? from.channel : null,
		sort: parseSort(from.sort, initial.sort),
		filter: typeof from.filter === 'string' ? from.filter : '',
		channelSort: parseSort(from.channelSort, initial.channelSort),
	};
}

function parseSort(value: unknown, fallback: SortOrder): SortOrder {
	const { by, descending } = fieldsOf(value);
	return typeof by === 'string' ? { by, descending: descending === true } : fallback;
}

function isIndex(value: unknown): value is number {
	return Number.isSafeInteger(value) && (value as number) >= 0;
}
