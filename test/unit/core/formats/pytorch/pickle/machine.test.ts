import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CheckpointLimits, DEFAULT_CHECKPOINT_LIMITS } from '../../../../../../src/core/formats/limits.js';
import { unpickle } from '../../../../../../src/core/formats/pytorch/pickle/machine.js';
import {
	PersistentId,
	PickleDict,
	PickleGlobal,
	PickleList,
	PickleObject,
	PickleSet,
	PickleTuple,
	type PickleValue,
} from '../../../../../../src/core/formats/pytorch/pickle/values.js';
import { concat, little } from '../../../../support/checkpoint-builder.js';
import { checkpointError } from '../../../../support/checkpoints.js';
import { call, code, global, int, list, text, tuple } from '../../../../support/pickle-builder.js';

function run(bytes: Uint8Array, limits: Partial<CheckpointLimits> = {}): PickleValue {
	const context = { path: 'model.pth', limits: { ...DEFAULT_CHECKPOINT_LIMITS, ...limits } };
	return unpickle(bytes, 0, context).value;
}

/** Plain form of a value: arrays, objects with one key that names the kind, and primitives. */
function plain(value: PickleValue | undefined): unknown {
	if (value instanceof PickleTuple) {
		return value.items.map(plain);
	}
	if (value instanceof PickleList) {
		return { list: value.items.map(plain) };
	}
	if (value instanceof PickleSet) {
		return { set: value.items.map(plain) };
	}
	if (value instanceof PickleDict) {
		return { dict: [...value.entries].map(([key, item]) => [plain(key), plain(item)]) };
	}
	if (value instanceof PickleGlobal) {
		return `${value.module}.${value.name}`;
	}
	if (value instanceof PersistentId) {
		return { id: plain(value.id) };
	}
	if (value instanceof PickleObject) {
		const { callable, args, state, dict, appended } = value;
		return {
			call: plain(callable),
			args: args.map(plain),
			...(state !== undefined && { state: plain(state) }),
			...(dict.entries.size > 0 && { entries: [...dict.entries].map(([key, item]) => [plain(key), plain(item)]) }),
			...(appended.length > 0 && { appended: appended.map(plain) }),
		};
	}
	return value instanceof Uint8Array ? { bytes: [...value] } : value;
}

const BIG = 2n ** 70n;

/** Every opcode: bytes in front of STOP, and the value as a Python programmer would expect it. */
const OPCODES: readonly [string, Uint8Array, unknown][] = [
	['PROTO', code([0x80, 5], 'N'), null],
	['FRAME', code([0x95], little(1, 8), 'N'), null],
	['INT', code('I-42\n'), -42],
	['INT, True', code('I01\n'), true],
	['INT, False', code('I00\n'), false],
	['LONG', code(`L${BIG}L\n`), BIG],
	['BININT', code('J', little(-5, 4)), -5],
	['BININT1', code('K', [200]), 200],
	['BININT2', code('M', [0x34, 0x12]), 0x1234],
	['LONG1', code([0x8a, 2, 0xff, 0xff]), -1],
	['LONG1, empty', code([0x8a, 0]), 0],
	['LONG1, large', code([0x8a, 9], little(0, 8), [64]), BIG],
	['LONG4', code([0x8b], little(1, 4), [0x80]), -128],
	['FLOAT', code('F-1.5e-3\n'), -0.0015],
	['BINFLOAT', code('G', [0x3f, 0xf8, 0, 0, 0, 0, 0, 0]), 1.5],
	['STRING', code("S'it\\'s \\x41\\n'\n"), "it's A\n"],
	['BINSTRING', code('T', little(2, 4), 'ab'), 'ab'],
	['SHORT_BINSTRING', code('U', [2], 'ab'), 'ab'],
	['UNICODE', code('V\\u00e9\\U0001f600x\n'), 'é😀x'],
	['BINUNICODE', text('é'), 'é'],
	['SHORT_BINUNICODE', code([0x8c, 1], 'a'), 'a'],
	['BINUNICODE8', code([0x8d], little(1, 8), 'a'), 'a'],
	['BINBYTES', code('B', little(2, 4), [1, 2]), { bytes: [1, 2] }],
	['SHORT_BINBYTES', code('C', [1, 7]), { bytes: [7] }],
	['BINBYTES8', code([0x8e], little(1, 8), [7]), { bytes: [7] }],
	['BYTEARRAY8', code([0x96], little(1, 8), [7]), { bytes: [7] }],
	['NONE', code('N'), null],
	['NEWTRUE, NEWFALSE, TUPLE2', code([0x88, 0x89, 0x86]), [true, false]],
	['TUPLE1', code('K', [1, 0x85]), [1]],
	['TUPLE3', code('NNN', [0x87]), [null, null, null]],
	['EMPTY_TUPLE', code(')'), []],
	['TUPLE', code('(NNt'), [null, null]],
	['EMPTY_LIST, APPEND', code(']Na'), { list: [null] }],
	['APPENDS', code('](NNe'), { list: [null, null] }],
	['LIST', code('(Nl'), { list: [null] }],
	['EMPTY_DICT, SETITEM', code('}K', [1], 'Ns'), { dict: [[1, null]] }],
	[
		'SETITEMS',
		code('}(K', [1], 'NK', [2], 'NK', [1], [0x88], 'u'),
		{
			dict: [
				[1, true],
				[2, null],
			],
		},
	],
	['DICT', code('(NNd'), { dict: [[null, null]] }],
	['EMPTY_SET, ADDITEMS', code([0x8f], '(N', [0x90]), { set: [null] }],
	['FROZENSET', code('(N', [0x91]), { set: [null] }],
	['POP', code('NK', [1], '0'), null],
	['POP of a mark', code('N(0'), null],
	['POP_MARK', code('N(NN1'), null],
	['DUP', code('N2', [0x86]), [null, null]],
	['PUT, GET', code('K', [7], 'p10\n0g10\n'), 7],
	['BINPUT, BINGET', code('K', [7], 'q', [3], '0h', [3]), 7],
	['LONG_BINPUT, LONG_BINGET', code('K', [7], 'r', little(3, 4), '0j', little(3, 4)), 7],
	['MEMOIZE', code('K', [7, 0x94], 'K', [8, 0x94], '00h', [1]), 8],
	['GLOBAL', global('os', 'system'), 'os.system'],
	['STACK_GLOBAL', code(text('builtins'), text('eval'), [0x93]), 'builtins.eval'],
	['REDUCE', call(global('os', 'system'), text('rm')), { call: 'os.system', args: ['rm'] }],
	['NEWOBJ', code(global('a', 'B'), ')', [0x81]), { call: 'a.B', args: [] }],
	['NEWOBJ_EX', code(global('a', 'B'), ')}', [0x92]), { call: 'a.B', args: [] }],
	['BUILD', code(global('a', 'B'), ')', [0x81], 'Nb'), { call: 'a.B', args: [], state: null }],
	['INST', code('(Nia\nB\n'), { call: 'a.B', args: [null] }],
	['OBJ', code('(', global('a', 'B'), 'No'), { call: 'a.B', args: [null] }],
	['SETITEMS on an object', code(global('a', 'B'), ')R(NNu'), { call: 'a.B', args: [], entries: [[null, null]] }],
	['APPENDS on an object', code(global('a', 'B'), ')R(Ne'), { call: 'a.B', args: [], appended: [null] }],
	['PERSID', code('Pabc\n'), { id: 'abc' }],
	['BINPERSID', code('NQ'), { id: null }],
];

for (const [title, bytes, expected] of OPCODES) {
	test(`pickle: ${title}`, () => assert.deepEqual(plain(run(concat(bytes, '.'))), expected));
	test(`pickle: ${title}, cut at every byte, ends in one sentence`, () => {
		for (let end = 0; end < bytes.length; end++) {
			assert.throws(() => run(bytes.subarray(0, end)), checkpointError('truncated'));
		}
	});
}

test('a list may contain itself', () => {
	const value = run(concat(']q', [0], 'h', [0], 'a.'));
	assert.ok(value instanceof PickleList);
	assert.equal(value.items[0], value);
});

test('a tuple of 2^200 leaves takes the memory of its 200 definitions', () => {
	assert.ok(run(nestedTuples()) instanceof PickleTuple);
});

/** A tuple of two references to a tuple of two references …, 200 deep: 2^200 leaves. */
function nestedTuples(): Uint8Array {
	return concat(')', ...Array.from({ length: 200 }, () => ['2', Uint8Array.of(0x86)]).flat(), '.');
}

const BROKEN: readonly [string, Uint8Array, string, RegExp][] = [
	['an unknown opcode', code([0xff]), 'malformed', /unknown instruction 0xff at byte 1/],
	['protocol 6', code([0x80, 6]), 'unsupported', /protocol 6/],
	['an empty stack', code('0'), 'malformed', /no beginning/],
	['STOP without a value', code('.'), 'malformed', /without a value/],
	['a value below a mark', code('N(R'), 'malformed', /without a value/],
	['a tuple without a mark', code('Nt'), 'malformed', /no beginning/],
	['a memo entry that is not set', code('h', [9]), 'malformed', /entry 9/],
	['a negative memo entry', code('g-1\n'), 'malformed', /not set/],
	['a call without a tuple', code('NNR'), 'malformed', /not a tuple/],
	['an item for a number', code('K', [1], 'Na'), 'malformed', /not a list/],
	['an entry for a list', code(']NNs'), 'malformed', /not a dictionary/],
	['an odd number of keys and values', code('}(Nu'), 'malformed', /not a dictionary/],
	['state for a dictionary', code('}Nb'), 'malformed', /not an object/],
	['a class named by a number', code('K', [1], 'K', [2, 0x93]), 'malformed', /not text/],
	['letters for an integer', code('Ix\n'), 'malformed', /integer/],
	['a text without quotes', code('Sx\n'), 'malformed', /quotes/],
	['an extension code', code([0x82, 1]), 'unsupported', /extension/],
	['an out-of-band buffer', code([0x97]), 'unsupported', /outside/],
	['a text of 2^63 bytes', code([0x8d], little(2n ** 63n, 8)), 'truncated', /inside the pickle/],
	['bytes of 4 GB', code('B', little(0xffffffff, 4)), 'truncated', /inside the pickle/],
	['a negative length', code('T', little(-1, 4)), 'truncated', /inside the pickle/],
	['an integer of 2 GB', code([0x8b], little(2 ** 31 - 1, 4)), 'limit', /integerBytes/],
	['an integer of negative length', code([0x8b], little(-1, 4)), 'limit', /integerBytes/],
	['an integer of 100,000 digits', code(`L${'9'.repeat(60_000)}L\n`), 'malformed', /integer/],
	['a line of 1 MB', code(`c${'x'.repeat(1_000_000)}\n\n`), 'limit', /nameBytes/],
	['a far memo entry', code('Nr', little(0xfffffff0, 4)), 'limit', /pickleMemo/],
];

for (const [title, bytes, errorCode, message] of BROKEN) {
	test(`pickle: ${title} ends in one sentence`, () =>
		assert.throws(() => run(concat(bytes, '.')), checkpointError(errorCode, message)));
}

const BOMBS: readonly [string, string, Partial<CheckpointLimits>, RegExp][] = [
	['marks', '('.repeat(20_000), {}, /pickleMarks/],
	['values on the stack', 'N'.repeat(1_100_000), {}, /pickleStack/],
	['containers', '}0'.repeat(4_100_000), {}, /pickleRecords/],
	['filled dictionaries', '}NNs0'.repeat(900_000), {}, /pickleRecords/],
	['memo entries', `N${'\x94'.repeat(2_100_000)}`, {}, /pickleMemo/],
	['instructions', 'N0'.repeat(2000), { pickleOperations: 3000 }, /pickleOperations/],
];

for (const [title, bytes, limits, message] of BOMBS) {
	test(`pickle: too many ${title} end in one sentence, in flat memory`, () => {
		const before = process.memoryUsage().heapUsed;
		assert.throws(
			() => run(concat(bytes), limits),
			(error: Error) => message.test(error.message),
		);
		assert.ok(process.memoryUsage().heapUsed - before < 300e6);
	});
}

test('no name is resolved: the callable of a call is two texts', () => {
	const value = run(concat(call(global('builtins', '__import__'), text('os'), tuple(int(1)), list()), '.'));
	assert.ok(value instanceof PickleObject);
	assert.deepEqual(value.callable, new PickleGlobal('builtins', '__import__'));
});
