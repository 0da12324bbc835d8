/**
 * Values of a pickle as data. Python's plain types become corresponding types of JavaScript. An object that Python
 * would construct by a call becomes a {@link PickleObject}, a record of the call.
 */
export type PickleValue =
	| null
	| boolean
	| number
	| bigint
	| string
	| Uint8Array
	| PickleTuple
	| PickleList
	| PickleDict
	| PickleSet
	| PickleGlobal
	| PickleObject
	| PersistentId;

export class PickleTuple {
	readonly items: readonly PickleValue[];

	constructor(items: readonly PickleValue[]) {
		this.items = items;
	}
}

export class PickleList {
	readonly items: PickleValue[] = [];
}

/** A set or frozenset. */
export class PickleSet {
	readonly items: PickleValue[] = [];
}

const NO_ENTRIES: ReadonlyMap<PickleValue, PickleValue> = new Map();

/** A dictionary in insertion order. Its map is made with the first entry, because most are empty hooks of tensors. */
export class PickleDict {
	#entries: Map<PickleValue, PickleValue> | undefined;

	get entries(): ReadonlyMap<PickleValue, PickleValue> {
		return this.#entries ?? NO_ENTRIES;
	}

	set(key: PickleValue, value: PickleValue): void {
		this.#entries ??= new Map();
		this.#entries.set(key, value);
	}
}

/** A class or function by name; it is never looked up. */
export class PickleGlobal {
	readonly module: string;
	readonly name: string;

	constructor(module: string, name: string) {
		this.module = module;
		this.name = name;
	}
}

/** The record of a call: REDUCE, NEWOBJ, OBJ or INST, and the state that BUILD would set. */
export class PickleObject {
	/** Normally a {@link PickleGlobal}. */
	readonly callable: PickleValue;
	readonly args: readonly PickleValue[];
	state: PickleValue | undefined;
	/** Entries that SETITEM would set, as on an OrderedDict. */
	readonly dict = new PickleDict();
	/** Items that APPEND or ADDITEMS would add. */
	#appended: PickleValue[] | undefined;

	constructor(callable: PickleValue, args: readonly PickleValue[]) {
		this.callable = callable;
		this.args = args;
	}

	get appended(): readonly PickleValue[] {
		return this.#appended ?? [];
	}

	append(item: PickleValue): void {
		this.#appended ??= [];
		this.#appended.push(item);
	}
}

/** An object outside the pickle: ('storage', class, key, device, count). */
export class PersistentId {
	readonly id: PickleValue;

	constructor(id: PickleValue) {
		this.id = id;
	}
}
