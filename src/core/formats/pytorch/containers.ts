import {
	PersistentId,
	PickleDict,
	PickleGlobal,
	PickleList,
	PickleObject,
	PickleTuple,
	type PickleValue,
} from './pickle/values.js';

export type Entries = ReadonlyMap<PickleValue, PickleValue>;

const NO_ENTRIES: Entries = new Map();

const DICTIONARIES = new Set(['OrderedDict', 'defaultdict', 'Counter']);

/** Returns the entries of a dictionary or of an object like OrderedDict; undefined for other values. */
export function entriesOf(value: PickleValue | undefined): Entries | undefined {
	if (value instanceof PickleDict) {
		return value.entries;
	}
	if (!(value instanceof PickleObject)) {
		return undefined;
	}
	if (value.dict.entries.size > 0) {
		return value.dict.entries;
	}
	return DICTIONARIES.has(classOf(value)?.name ?? '') ? pairsOf(value.args[0]) : undefined;
}

/** Returns items of a list or tuple; undefined otherwise. */
export function itemsOf(value: PickleValue | undefined): readonly PickleValue[] | undefined {
	return value instanceof PickleTuple || value instanceof PickleList ? value.items : undefined;
}

/**
 * Returns the attributes that an object's state sets. The state is a dictionary, or a pair of a dictionary and slots.
 */
export function attributesOf(value: PickleValue): Entries | undefined {
	if (!(value instanceof PickleObject)) {
		return undefined;
	}
	const { state } = value;
	return state instanceof PickleTuple ? entriesOf(state.items[0]) : entriesOf(state);
}

/** Returns the name of the class or function of an object. */
export function classOf(object: PickleObject): PickleGlobal | undefined {
	const { callable, args } = object;
	// copyreg._reconstructor(class, base, state) is how protocols 0 and 1 make objects.
	const maker = callable instanceof PickleGlobal && callable.name === '_reconstructor' ? args[0] : callable;
	if (maker instanceof PersistentId) {
		// The legacy format wraps the class of a module: ('module', class, source file, source).
		const wrapped = itemsOf(maker.id)?.[1];
		return wrapped instanceof PickleGlobal ? wrapped : undefined;
	}
	return maker instanceof PickleGlobal ? maker : undefined;
}

/** Maximum number of dimensions in PyTorch and NumPy. */
const MAX_NUMBERS = 64;

/** Returns the numbers of a short list or tuple; undefined if it is long or another value is among them. */
export function numbersOf(value: PickleValue | undefined): readonly number[] | undefined {
	const items = itemsOf(value) ?? (value instanceof PickleObject ? sizeOf(value) : undefined);
	const short = items !== undefined && items.length <= MAX_NUMBERS;
	return short && items.every((item) => typeof item === 'number') ? items : undefined;
}

/** torch.Size is pickled as a call with a tuple. */
function sizeOf(object: PickleObject): readonly PickleValue[] | undefined {
	return classOf(object)?.name === 'Size' ? itemsOf(object.args[0]) : undefined;
}

/** Entries by the list of pairs behind them; objects share lists. */
const pairs = new WeakMap<object, Entries>();

function pairsOf(value: PickleValue | undefined): Entries {
	const items = itemsOf(value);
	if (!items) {
		return NO_ENTRIES;
	}
	const known = pairs.get(items);
	if (known) {
		return known;
	}
	const entries = new Map(
		items.map((pair) => {
			const [key = null, item = null] = itemsOf(pair) ?? [];
			return [key, item] as const;
		}),
	);
	pairs.set(items, entries);
	return entries;
}
