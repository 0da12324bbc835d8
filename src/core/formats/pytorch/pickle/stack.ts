import type { CheckpointLimits } from '../../limits.js';
import type { PickleReader } from './reader.js';
import {
	PersistentId,
	PickleDict,
	PickleList,
	PickleObject,
	PickleSet,
	PickleTuple,
	type PickleValue,
} from './values.js';

/** State of the pickle machine that opcodes act on. */
export interface PickleMachine {
	readonly reader: PickleReader;
	readonly stack: PickleStack;
}

/** A map takes the memory of about this many other records. */
const RECORDS_PER_MAP = 4;

/** Values in progress, marks between them, and the memo. Every growth is counted against a limit. */
export class PickleStack {
	readonly #reader: PickleReader;
	readonly #limits: CheckpointLimits;
	readonly #values: PickleValue[] = [];
	/** Lengths of `#values` at which a mark was set, ascending. */
	readonly #marks: number[] = [];
	readonly #memo: PickleValue[] = [];
	/** References to objects outside of the pickle, in file order. */
	readonly external: PersistentId[] = [];
	#memoized = 0;
	#records = 0;

	constructor(reader: PickleReader, limits: CheckpointLimits) {
		this.#reader = reader;
		this.#limits = limits;
	}

	push(value: PickleValue): void {
		if (this.#values.length >= this.#limits.pickleStack) {
			throw this.#limit('more values on the stack', 'pickleStack');
		}
		if ((typeof value === 'object' && value !== null) || typeof value === 'string') {
			this.#count(1);
		}
		this.#values.push(value);
	}

	/** Pushes a reference to an object outside of the pickle. */
	pushExternal(id: PickleValue): void {
		const reference = new PersistentId(id);
		this.external.push(reference);
		this.push(reference);
	}

	/** Removes the topmost value. A mark there means a broken pickle. */
	pop(): PickleValue {
		const value = this.#values.length > (this.#marks.at(-1) ?? 0) ? this.#values.pop() : undefined;
		if (value === undefined) {
			throw this.#reader.error('malformed', 'an instruction without a value');
		}
		return value;
	}

	/** Returns the topmost value, which stays. */
	get top(): PickleValue {
		const value = this.pop();
		this.#values.push(value);
		return value;
	}

	mark(): void {
		if (this.#marks.length >= this.#limits.pickleMarks) {
			throw this.#limit('deeper nesting', 'pickleMarks');
		}
		this.#marks.push(this.#values.length);
	}

	/** Removes the values above the topmost mark, and the mark. */
	popMark(): PickleValue[] {
		const mark = this.#marks.pop();
		if (mark === undefined) {
			throw this.#reader.error('malformed', 'the end of a list that has no beginning');
		}
		return this.#values.splice(mark);
	}

	/** Removes the topmost value or mark (opcode POP). */
	discard(): void {
		if (this.#values.length > (this.#marks.at(-1) ?? 0)) {
			this.#values.pop();
		} else {
			this.popMark();
		}
	}

	/** Remembers the topmost value, by default under the next index. */
	memoize(index = this.#memoized): void {
		if (index >= this.#limits.pickleMemo) {
			throw this.#limit('a larger memo', 'pickleMemo');
		}
		if (this.#memo[index] === undefined) {
			this.#memoized++;
		}
		this.#memo[index] = this.top;
	}

	recall(index: number): PickleValue {
		const value = this.#memo[index];
		if (value === undefined) {
			throw this.#reader.error('malformed', `a reference to the memo's entry ${index}, which is not set,`);
		}
		return value;
	}

	/** Adds to a list, set or object. */
	extend(target: PickleValue, items: readonly PickleValue[]): void {
		if (target instanceof PickleObject) {
			for (const item of items) {
				target.append(item);
			}
		} else if (target instanceof PickleList || target instanceof PickleSet) {
			for (const item of items) {
				target.items.push(item);
			}
		} else {
			throw this.#reader.error('malformed', 'items for a value that is not a list');
		}
	}

	/** Sets keys of a dictionary or object from alternating `items`. */
	assign(target: PickleValue, items: readonly PickleValue[]): void {
		const dict = target instanceof PickleObject ? target.dict : target;
		if (!(dict instanceof PickleDict) || items.length % 2 !== 0) {
			throw this.#reader.error('malformed', 'entries for a value that is not a dictionary');
		}
		if (items.length > 0 && dict.entries.size === 0) {
			this.#count(RECORDS_PER_MAP);
		}
		for (let index = 0; index < items.length; index += 2) {
			dict.set(items[index] ?? null, items[index + 1] ?? null);
		}
	}

	/** Replaces a callable and its arguments by the call's record. */
	call(callable: PickleValue, args: PickleValue): void {
		if (!(args instanceof PickleTuple)) {
			throw this.#reader.error('malformed', 'a call whose arguments are not a tuple');
		}
		this.push(new PickleObject(callable, args.items));
	}

	#count(records: number): void {
		this.#records += records;
		if (this.#records > this.#limits.pickleRecords) {
			throw this.#limit('more values', 'pickleRecords');
		}
	}

	#limit(excess: string, name: 'pickleStack' | 'pickleMarks' | 'pickleMemo' | 'pickleRecords'): Error {
		return this.#reader.error('limit', `${excess} than the limit of ${this.#limits[name]} (${name})`);
	}
}
