import { WireType } from '@bufbuild/protobuf/wire';
import { concat } from '../unit/support/checkpoint-builder.js';
import { copyField, everyField, parseTree, type TreeField, writeTree } from './message-tree.js';
import type { Random } from './random.js';

const BYTES = [0x00, 0x01, 0x7f, 0x80, 0xff, 0x08, 0x0a, 0x3a] as const;
const NUMBERS = [
	0n,
	1n,
	-1n,
	2n,
	3n,
	16n,
	255n,
	2n ** 31n - 1n,
	2n ** 31n,
	2n ** 40n,
	2n ** 53n,
	2n ** 63n - 1n,
	-(2n ** 63n),
] as const;

/** Claimed sizes: at the limits of what fits into memory, into 32 bits, and into a number. */
const SIZES = [
	0n,
	1n << 16n,
	1n << 22n,
	(1n << 22n) + 1n,
	1n << 26n,
	1n << 30n,
	1n << 31n,
	1n << 40n,
	1n << 53n,
	-4n,
] as const;

/** Limits the size, because repeated copying would make large models of small ones. */
const MAX_FIELDS = 20_000;

/** Returns one mutation of a valid model: of its bytes, or of its fields with all lengths corrected. */
export function mutate(model: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
	return random.chance(0.4) ? mutateBytes(model, other, random) : mutateFields(model, other, random);
}

type ByteMutation = (bytes: Uint8Array, other: Uint8Array, random: Random) => Uint8Array;

/** Each returns new bytes. A slice of a Buffer would share those of the valid model. */
const BYTE_MUTATIONS: readonly [ByteMutation, ...ByteMutation[]] = [
	function flipBits(bytes, _, random) {
		const result = Uint8Array.from(bytes);
		for (let count = 1 + random.below(8); count > 0; count--) {
			const at = random.below(result.length);
			result[at] = (result[at] ?? 0) ^ (1 << random.below(8));
		}
		return result;
	},
	function overwrite(bytes, _, random) {
		const at = random.below(bytes.length);
		return Uint8Array.from(bytes).fill(random.pick(BYTES), at, at + 1 + random.below(12));
	},
	function cutShort(bytes, _, random) {
		return bytes.slice(0, random.below(bytes.length));
	},
	function remove(bytes, _, random) {
		const at = random.below(bytes.length);
		return splice(bytes, { at, remove: 1 + random.below(20), insert: new Uint8Array(0) });
	},
	function repeat(bytes, _, random) {
		const at = random.below(bytes.length);
		return splice(bytes, { at, remove: 0, insert: bytes.subarray(at, at + 1 + random.below(200)) });
	},
	function crossOver(bytes, other, random) {
		const from = random.below(other.length);
		const insert = other.subarray(from, from + 1 + random.below(200));
		return splice(bytes, { at: random.below(bytes.length), remove: random.below(200), insert });
	},
	function append(bytes, other) {
		return splice(bytes, { at: bytes.length, remove: 0, insert: other });
	},
];

/** Returns one mutation of any bytes. */
export function mutateBytes(bytes: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
	return random.pick(BYTE_MUTATIONS)(bytes, other, random);
}

function splice(
	bytes: Uint8Array,
	{ at, remove, insert }: { at: number; remove: number; insert: Uint8Array },
): Uint8Array {
	return concat(bytes.subarray(0, at), insert, bytes.subarray(at + remove));
}

interface FieldMutation {
	field: TreeField;
	siblings: TreeField[];
	/** Every field of the model, and of a second model. */
	all: readonly { field: TreeField; siblings: TreeField[] }[];
	foreign: readonly { field: TreeField; siblings: TreeField[] }[];
	random: Random;
}

const FIELD_MUTATIONS: readonly [(context: FieldMutation) => void, ...((context: FieldMutation) => void)[]] = [
	function removeField({ field, siblings }) {
		siblings.splice(siblings.indexOf(field), 1);
	},
	function duplicate({ field, siblings, random }) {
		siblings.push(...Array.from({ length: 1 + random.below(3) }, () => copyField(field)));
	},
	function changeNumber({ field, random }) {
		field.number = 1 + random.below(random.chance(0.9) ? 26 : 2 ** 29 - 1);
	},
	function changeWire({ field, random }) {
		field.wire = random.below(8);
	},
	function swapValue({ field, all, random }) {
		// Replaces a value by another of its kind. Names make cycles, duplicates, and tensors of a wrong shape.
		const alike = all.filter((other) => typeof other.field.value === typeof field.value);
		field.value = copyField(random.pick(alike)?.field ?? field).value;
	},
	function shareName({ all, random }) {
		const names = all.filter(({ field: { type, number } }) => type === 'Node' && number <= 2);
		const [from, to] = [random.pick(names), random.pick(names)];
		if (from && to && !Array.isArray(from.field.value)) {
			to.field.value = from.field.value;
		}
	},
	function changeValue({ field, random }) {
		if (typeof field.value === 'bigint') {
			field.value = random.pick(NUMBERS);
		} else if (field.value instanceof Uint8Array) {
			field.value = mutateBytes(Uint8Array.of(...field.value, 0), Uint8Array.of(0xff, 0x80), random);
		} else {
			field.value = [];
		}
	},
	function claimSize({ all, random }) {
		// Dimensions without data behind them.
		const dims = all.filter(
			({ field: { type, number, value } }) => type === 'Tensor' && number === 1 && !Array.isArray(value),
		);
		const target = random.pick(dims);
		if (target) {
			target.field.value = random.pick(SIZES);
			const data = target.siblings.findIndex(({ number }) => number === 4 || number === 9);
			if (data >= 0 && random.chance(0.5)) {
				target.siblings.splice(data, 1);
			}
		}
	},
	function graft({ field, foreign, random }) {
		const graft = random.pick(foreign)?.field;
		if (graft && Array.isArray(field.value)) {
			field.value.splice(random.below(field.value.length + 1), 0, copyField(graft));
		}
	},
	function nest({ field, random }) {
		// Puts the graph of a branch inside itself, some levels deep.
		if (Array.isArray(field.value) && field.type === 'Graph') {
			for (let depth = 1 + random.below(30); depth > 0; depth--) {
				field.value = nestGraph(field.value);
			}
		}
	},
	function flood({ field, siblings, random }) {
		// Few large models among many small ones, because a model of thousands of layers takes as long as hundreds of others.
		const most = Math.min(3000, 200_000 / writeTree([field]).finish().length);
		siblings.push(...Array.from({ length: Math.floor(most ** random.next()) }, () => copyField(field)));
	},
];

function nestGraph(graph: TreeField[]): TreeField[] {
	const wire = WireType.LengthDelimited;
	const name = { number: 1, wire, type: 'Attribute', value: new TextEncoder().encode('body') };
	const body = { number: 6, wire, type: 'Graph', value: graph };
	const attribute = { number: 5, wire, type: 'Attribute', value: [name, body] };
	const op = { number: 4, wire, type: 'Node', value: new TextEncoder().encode('Loop') };
	return [{ number: 1, wire, type: 'Node', value: [op, attribute] }];
}

function mutateFields(bytes: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
	const tree = parseTree(bytes);
	const foreign = [...everyField(parseTree(other))];
	for (let count = 1 + random.below(4); count > 0; count--) {
		const all = [...everyField(tree)];
		const target = random.pick(all);
		if (target && all.length < MAX_FIELDS) {
			random.pick(FIELD_MUTATIONS)({ ...target, all, foreign, random });
		}
	}
	return writeTree(tree).finish();
}
