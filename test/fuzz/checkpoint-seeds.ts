import { concat, float32, little, safetensorsOf } from '../unit/support/checkpoint-builder.js';
import {
	type Code,
	call,
	code,
	dict,
	global,
	int,
	layer,
	list,
	module,
	NONE,
	numbers,
	orderedDict,
	scriptEntries,
	scriptRoot,
	tensor,
	text,
	torchLegacy,
	torchZip,
	tuple,
	vector,
} from '../unit/support/pickle-builder.js';
import { hdf5Seeds, mutateStructure } from './hdf5-seeds.js';
import { mutateBytes } from './mutate.js';
import type { Random } from './random.js';

/** Formats whose mutations can be asked for alone. */
const FORMATS = ['pytorch', 'pytorch-legacy', 'torchscript', 'safetensors', 'keras'] as const;
export type CheckpointSeedFormat = (typeof FORMATS)[number];

export function isSeedFormat(name: string): name is CheckpointSeedFormat {
	return FORMATS.some((format) => format === name);
}

/** A valid checkpoint whose inner part can be mutated without breaking the container around it. */
interface Seed {
	readonly format: Exclude<CheckpointSeedFormat, 'keras'>;
	/** A pickle's value, or the whole file. */
	readonly inner: Uint8Array;
	readonly wrap: (inner: Uint8Array) => Uint8Array;
}

const FOUR = float32(1, 2, 3, 4);
const STORAGES = { '0': FOUR, '1': concat(little(7, 8)) };

/** Opcodes that build, repeat and combine values: the ones that reach deep into the reader. */
const OPCODES = concat('().0125NKMJabcdehijloqrstuQR}]', [0x81, 0x85, 0x86, 0x87, 0x8f, 0x90, 0x91, 0x92, 0x93, 0x94]);

const SCRIPT = scriptEntries('class BatchNorm2d(Module):\n  eps : Final[float] = 0.001\n');

/** Valid checkpoints that together use every part of the formats that the readers know. */
const SEEDS: readonly [Seed, ...Seed[]] = [
	zip(orderedDict({ ...layer('module.1.'), 'module.0.weight': tensor({ count: 4, size: [4, 1], stride: [1, 1] }) })),
	zip(dict({ epoch: int(7), ema: modules(), model: NONE, optimizer: dict({ state: list(vector('0', 4)) }) })),
	zip(dict({ w: tensor({ count: 4, offset: 1, size: [2, 2], stride: [0, 1] }), 'a.running_mean': array() })),
	legacy(orderedDict({ ...layer('bn.'), 'bn.num_batches_tracked': vector('1', 1, 'LongStorage') })),
	{ format: 'torchscript', inner: scriptRoot(), wrap: (inner) => torchZip(inner, STORAGES, SCRIPT) },
	whole('pytorch', torchZip(dict(layer('a.')), STORAGES)),
	whole(
		'safetensors',
		safetensorsOf({ 'bn.running_mean': [1, 2], 'bn.running_var': [3, 4], w: [1, 2, 3, 4] }, { w: [2, 2] }),
	),
	whole('pytorch-legacy', torchLegacy(dict(layer('a.')), { keys: ['0'], storages: [[4, FOUR]] })),
];

const HDF5_SEEDS = hdf5Seeds();

/** Share of mutations that Keras' files get. */
const KERAS_SHARE = 0.4;

/**
 * Returns a mutation of a valid checkpoint: of its inner part, so that the container still fits, or of any byte.
 * @param format of the checkpoint; any by default
 */
export function mutateCheckpoint(random: Random, format?: CheckpointSeedFormat): Uint8Array {
	if (format === undefined ? random.chance(KERAS_SHARE) : format === 'keras') {
		const { bytes, wrap } = random.pick(HDF5_SEEDS);
		const other = random.pick(HDF5_SEEDS).bytes;
		return wrap(random.chance(0.7) ? mutateStructure(bytes, random) : mutateBytes(bytes, other, random));
	}
	const seeds = format === undefined ? SEEDS : SEEDS.filter((seed) => seed.format === format);
	const seed = seeds[random.below(seeds.length)];
	const other = random.pick(SEEDS);
	if (random.chance(0.2)) {
		return mutateBytes(seed.wrap(seed.inner), other.wrap(other.inner), random);
	}
	let inner = seed.inner;
	for (let count = 1 + random.below(3); count > 0; count--) {
		inner = random.chance(0.5) ? mutateBytes(concat(inner, [0]), other.inner, random) : insertOpcodes(inner, random);
	}
	return seed.wrap(inner);
}

function insertOpcodes(bytes: Uint8Array, random: Random): Uint8Array {
	const at = random.below(bytes.length + 1);
	const codes = Array.from({ length: 1 + random.below(4) }, () => OPCODES[random.below(OPCODES.length)] ?? 0);
	const repeated = Array.from({ length: random.chance(0.1) ? 500 : 1 }, () => codes).flat();
	return concat(bytes.subarray(0, at), repeated, bytes.subarray(at + random.below(3)));
}

function zip(inner: Code): Seed {
	return { format: 'pytorch', inner, wrap: (code) => torchZip(code, STORAGES) };
}

function legacy(inner: Code): Seed {
	const spec = { keys: ['0', '1'], storages: [[4, FOUR] as const, [1, STORAGES['1']] as const] };
	return { format: 'pytorch-legacy', inner, wrap: (code) => torchLegacy(code, spec) };
}

function whole(format: Seed['format'], inner: Uint8Array): Seed {
	return { format, inner, wrap: (bytes) => bytes };
}

function modules(): Code {
	const bn = module('BatchNorm2d', {
		parameters: { weight: call(global('torch._utils', '_rebuild_parameter'), vector('0', 4)) },
		buffers: { running_mean: vector('0', 4), running_var: vector('0', 4) },
		attributes: { eps: code('F0.001\n') },
	});
	const conv = module('ConvTranspose2d', {
		parameters: { weight: tensor({ count: 4, size: [4, 1, 1], stride: [1, 1, 1] }) },
		attributes: { groups: int(4), stride: numbers([2]) },
	});
	return module('Net', { modules: { conv, block: module('Block', { modules: { bn } }) } });
}

function array(): Code {
	const type = code(call(global('numpy', 'dtype'), text('f4')), tuple(int(3), text('<')), 'b');
	const bytes = call(global('_codecs', 'encode'), text(String.fromCharCode(...FOUR)), text('latin1'));
	const made = call(global('numpy.core.multiarray', '_reconstruct'), global('numpy', 'ndarray'));
	return code(made, tuple(int(1), numbers([4]), type, code([0x89]), bytes), 'b');
}
