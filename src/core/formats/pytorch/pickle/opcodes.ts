import { narrow, type PickleReader } from './reader.js';
import type { PickleMachine } from './stack.js';
import {
	PickleDict,
	PickleGlobal,
	PickleList,
	PickleObject,
	PickleSet,
	PickleTuple,
	type PickleValue,
} from './values.js';

type Operation = (machine: PickleMachine) => void;

/** Makes the operation that pushes a value read from the pickle. */
function push(read: (reader: PickleReader) => PickleValue): Operation {
	return ({ reader, stack }) => stack.push(read(reader));
}

function tuple(length: number): Operation {
	return ({ stack }) => {
		const items = Array.from({ length }, () => stack.pop());
		stack.push(new PickleTuple(items.reverse()));
	};
}

/** Makes a failing operation. `problem`: the object of "NAME has …". */
function refuse(problem: string): Operation {
	return ({ reader }) => {
		throw reader.error('unsupported', problem);
	};
}

/** Opcode -> operation, in the groups and under the names of CPython's pickletools.py. PROTO and STOP are the machine's. */
export const OPCODES: ReadonlyMap<number, Operation> = new Map(
	Object.entries<Operation>({
		// Integers and floats.
		I: push((reader) => decimal(reader.line(), reader)),
		L: push((reader) => decimal(reader.line().replace(/L$/, ''), reader)),
		J: push((reader) => reader.int32()),
		K: push((reader) => reader.uint8()),
		M: push((reader) => reader.uint16()),
		'\x8a': push((reader) => reader.integer(reader.uint8())),
		'\x8b': push((reader) => reader.integer(reader.int32())),
		F: push((reader) => Number(reader.line())),
		G: push((reader) => reader.float64()),

		// Text and bytes. Python 2's strings are bytes; they are decoded so that encodeText restores them.
		S: push((reader) => unquote(reader.line(), reader)),
		T: push((reader) => reader.text(reader.int32())),
		U: push((reader) => reader.text(reader.uint8())),
		V: push((reader) => unescapeUnicode(reader.line())),
		X: push((reader) => reader.text(reader.uint32())),
		'\x8c': push((reader) => reader.text(reader.uint8())),
		'\x8d': push((reader) => reader.text(reader.length64())),
		B: push((reader) => reader.bytes(reader.uint32())),
		C: push((reader) => reader.bytes(reader.uint8())),
		'\x8e': push((reader) => reader.bytes(reader.length64())),
		'\x96': push((reader) => reader.bytes(reader.length64())),
		'\x97': refuse('data outside of the file'),
		'\x98': refuse('data outside of the file'),

		// Constants.
		N: push(() => null),
		'\x88': push(() => true),
		'\x89': push(() => false),

		// Lists, tuples, dictionaries, sets.
		']': push(() => new PickleList()),
		a: ({ stack }) => {
			const item = stack.pop();
			stack.extend(stack.top, [item]);
		},
		e: ({ stack }) => {
			const items = stack.popMark();
			stack.extend(stack.top, items);
		},
		l: ({ stack }) => {
			const list = new PickleList();
			stack.extend(list, stack.popMark());
			stack.push(list);
		},
		')': push(() => new PickleTuple([])),
		t: ({ stack }) => stack.push(new PickleTuple(stack.popMark())),
		'\x85': tuple(1),
		'\x86': tuple(2),
		'\x87': tuple(3),
		'}': push(() => new PickleDict()),
		d: ({ stack }) => {
			const dict = new PickleDict();
			stack.assign(dict, stack.popMark());
			stack.push(dict);
		},
		s: ({ stack }) => {
			const value = stack.pop();
			const key = stack.pop();
			stack.assign(stack.top, [key, value]);
		},
		u: ({ stack }) => {
			const items = stack.popMark();
			stack.assign(stack.top, items);
		},
		'\x8f': push(() => new PickleSet()),
		'\x90': ({ stack }) => {
			const items = stack.popMark();
			stack.extend(stack.top, items);
		},
		'\x91': ({ stack }) => {
			const set = new PickleSet();
			stack.extend(set, stack.popMark());
			stack.push(set);
		},

		// Stack and memo.
		'0': ({ stack }) => stack.discard(),
		'1': ({ stack }) => {
			stack.popMark();
		},
		'2': ({ stack }) => stack.push(stack.top),
		'(': ({ stack }) => stack.mark(),
		g: ({ reader, stack }) => stack.push(stack.recall(index(reader))),
		h: ({ reader, stack }) => stack.push(stack.recall(reader.uint8())),
		j: ({ reader, stack }) => stack.push(stack.recall(reader.uint32())),
		p: ({ reader, stack }) => stack.memoize(index(reader)),
		q: ({ reader, stack }) => stack.memoize(reader.uint8()),
		r: ({ reader, stack }) => stack.memoize(reader.uint32()),
		'\x94': ({ stack }) => stack.memoize(),
		'\x95': ({ reader }) => {
			// The length of a frame helps readers of streams; here all bytes are in memory.
			reader.length64();
		},

		// Classes, functions and calls: names and records, never resolved.
		c: push((reader) => new PickleGlobal(reader.line(), reader.line())),
		'\x93': ({ reader, stack }) => {
			const name = stack.pop();
			const module = stack.pop();
			if (typeof name !== 'string' || typeof module !== 'string') {
				throw reader.error('malformed', 'a class whose name is not text');
			}
			stack.push(new PickleGlobal(module, name));
		},
		R: ({ stack }) => {
			const args = stack.pop();
			stack.call(stack.pop(), args);
		},
		'\x81': ({ stack }) => {
			const args = stack.pop();
			stack.call(stack.pop(), args);
		},
		'\x92': ({ stack }) => {
			stack.pop();
			const args = stack.pop();
			stack.call(stack.pop(), args);
		},
		b: ({ reader, stack }) => {
			const state = stack.pop();
			const target = stack.top;
			if (!(target instanceof PickleObject)) {
				throw reader.error('malformed', 'state for a value that is not an object');
			}
			target.state = state;
		},
		i: ({ reader, stack }) => {
			const callable = new PickleGlobal(reader.line(), reader.line());
			stack.push(new PickleObject(callable, stack.popMark()));
		},
		o: ({ stack }) => {
			const [callable = null, ...args] = stack.popMark();
			stack.push(new PickleObject(callable, args));
		},
		P: ({ reader, stack }) => stack.pushExternal(reader.line()),
		Q: ({ stack }) => stack.pushExternal(stack.pop()),
		'\x82': refuse('a class of the extension registry'),
		'\x83': refuse('a class of the extension registry'),
		'\x84': refuse('a class of the extension registry'),
	}).map(([opcode, operation]) => [opcode.charCodeAt(0), operation]),
);

/** Reads a decimal integer; "00" and "01" were protocol 0's False and True. */
function decimal(text: string, reader: PickleReader): PickleValue {
	if (text === '00' || text === '01') {
		return text === '01';
	}
	// Longer texts take quadratic time; Python's own limit is 4,300 digits.
	if (!/^-?\d{1,1000}$/.test(text)) {
		throw reader.error('malformed', 'a text where an integer should be');
	}
	return narrow(BigInt(text));
}

function index(reader: PickleReader): number {
	const value = decimal(reader.line(), reader);
	return typeof value === 'number' && value >= 0 ? value : Number.MAX_SAFE_INTEGER;
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', a: '\x07', b: '\b', f: '\f', v: '\v' };

/** Reads Python's repr of a string, with quotes and escapes. */
function unquote(text: string, reader: PickleReader): string {
	const quote = text[0];
	if (text.length < 2 || (quote !== "'" && quote !== '"') || !text.endsWith(quote)) {
		throw reader.error('malformed', 'a text without quotes');
	}
	return text.slice(1, -1).replace(/\\(?:x([0-9a-fA-F]{2})|(.))/g, (_, hex?: string, character = '') => {
		return hex === undefined ? (ESCAPES[character] ?? character) : String.fromCharCode(Number.parseInt(hex, 16));
	});
}

/** Reads Python's raw-unicode-escape. */
function unescapeUnicode(text: string): string {
	return text.replace(/\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/g, (original, short?: string, long?: string) => {
		const code = Number.parseInt(short ?? long ?? '', 16);
		return code <= 0x10ffff ? String.fromCodePoint(code) : original;
	});
}
