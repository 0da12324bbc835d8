import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Checkpoint } from '../../../../../src/core/formats/checkpoint.js';
import { openCheckpoint } from '../../../../../src/core/formats/open.js';
import { locateTensor } from '../../../../../src/core/formats/tensor.js';
import { inflate } from '../../../../../src/platform/inflate.js';
import { concat, float32, little } from '../../../support/checkpoint-builder.js';
import {
	checkpointBytes,
	checkpointError,
	exportedLayers,
	type LayerValues,
	layerValues,
	openBytes,
	truthOf,
	values,
} from '../../../support/checkpoints.js';
import { countingSource } from '../../../support/counting-source.js';
import {
	type Code,
	call,
	code,
	dict,
	EMPTY_TUPLE,
	global,
	int,
	layer,
	list,
	module,
	NONE,
	numbers,
	object,
	orderedDict,
	scriptEntries,
	scriptRoot,
	storage,
	type TensorCode,
	tensor,
	text,
	torchLegacy,
	torchZip,
	tuple,
	vector,
} from '../../../support/pickle-builder.js';

const FIXTURES: readonly [string, readonly string[]][] = [
	['conv1d', ['pth', 'legacy.pth', 'nested.ckpt', 'views.pth', 'full.pt', 'script.pt', 'half.pth']],
	['mlp', ['pth', 'legacy.pth', 'nested.ckpt', 'views.pth', 'full.pt', 'script.pt', 'half.pth']],
	['preact', ['pth', 'legacy.pth', 'nested.ckpt', 'views.pth', 'full.pt', 'script.pt', 'half.pth']],
	['generator', ['pth']],
	['plain_cnn', ['full.pt', 'script.pt']],
];

for (const [name, forms] of FIXTURES) {
	for (const form of forms) {
		test(`${name}.${form} has the layers that PyTorch exported, in order, with all values`, async () => {
			const checkpoint = await openBytes(checkpointBytes(`${name}.${form}`));
			const truth = truthOf(name);
			assert.deepEqual(checkpoint.unreadable, []);
			assert.equal(checkpoint.order, 'definition');
			assert.equal(checkpoint.prefix, form === 'nested.ckpt' ? 'module.' : '');
			assert.deepEqual(
				checkpoint.layers.map((layer) => layer.name),
				truth.layers.map((layer) => checkpoint.prefix + layer),
			);
			const exported = await exportedLayers(name);
			for (const [index, layer] of checkpoint.layers.entries()) {
				checkValues(await layerValues(layer), exported[index], form === 'half.pth' ? 2 ** -11 : 0);
				assert.equal(layer.batchesTracked?.dtype, 'int64');
				const known = form === 'full.pt' || form === 'script.pt';
				assert.equal(layer.epsilon, known ? truth.eps[layer.name] : undefined);
				assert.match(layer.className ?? '', known ? /^BatchNorm[12]d$/ : /^$/);
			}
		});
	}
}

for (const form of ['p5.pth', 'ultra.pt', 'script.pt', 'views.pth']) {
	test(`block.${form} has the values that PyTorch loads`, async () => {
		const { tensors, unreadable } = await openBytes(checkpointBytes(`block.${form}`));
		const loaded: Record<string, Record<string, number[]>> = JSON.parse(
			Buffer.from(checkpointBytes('block.values.json')).toString(),
		);
		assert.deepEqual(unreadable, []);
		const found = await Promise.all(tensors.map(async (item) => [item.name, await values(item)]));
		assert.deepEqual(Object.fromEntries(found), loaded[form]);
		assert.deepEqual(found.map(([name]) => name).sort(), Object.keys(loaded[form] ?? {}).sort());
	});
}

test('a tree of modules knows which normalizations are BatchNorm, and its transposed convolutions', async () => {
	for (const form of ['ultra.pt', 'script.pt']) {
		const { layers, withoutStatistics, notes } = await openBytes(checkpointBytes(`block.${form}`));
		assert.deepEqual(
			layers.map(({ name, epsilon, gamma, front: [first] }) => [
				...[name, epsilon, gamma?.name, first?.weight.name],
				...[first?.outputAxis, first?.groups],
			]),
			[
				['bn', 1e-3, 'bn.weight', 'conv.weight', 0, undefined],
				['norm', 1e-5, undefined, 'up.weight', 1, 2],
			],
		);
		assert.deepEqual(withoutStatistics, [{ name: 'nostat', certain: true }]);
		assert.match(notes[0] ?? '', /"inst" was left out, because it is an InstanceNorm2d, not/);
	}
});

/** @param rounding largest relative difference; float16's subnormal numbers have a step of 2^-24 */
function checkValues(found: LayerValues, expected: LayerValues | undefined, rounding: number): void {
	for (const key of ['gamma', 'beta', 'mean', 'variance'] as const) {
		const numbers = expected?.[key];
		assert.equal(found[key]?.length, numbers?.length);
		for (const [channel, value] of (found[key] ?? []).entries()) {
			const wanted = numbers?.[channel] ?? Number.NaN;
			assert.ok(Math.abs(value - wanted) <= Math.abs(wanted) * rounding + (rounding && 2 ** -25), `${value} ${wanted}`);
		}
	}
}

test('the nearest weight is the operator in front in every network of the fixtures', async () => {
	const front = async (name: string): Promise<readonly unknown[]> =>
		(await openBytes(checkpointBytes(name))).layers.map(({ front: [first] }) => [
			first?.weight.name,
			first?.outputAxis,
			first?.groups,
			first?.bias?.name,
		]);
	assert.deepEqual(await front('conv1d.pth'), [
		['0.weight', 0, undefined, '0.bias'],
		['3.weight', 0, undefined, undefined],
	]);
	assert.deepEqual(await front('generator.pth'), [
		['0.weight', 1, 1, undefined],
		['3.weight', 1, 2, '3.bias'],
	]);
	assert.deepEqual(
		(await front('preact.full.pt')).map((candidate) => (candidate as unknown[])[0]),
		['0.weight', '1.conv1.weight', '1.conv2.weight', '2.conv1.weight', '2.conv2.weight'],
	);
});

test('opening reads neither storages nor their local headers', async () => {
	const count = 1 << 18;
	const value = orderedDict({ ...layer('bn.'), 'fc.weight': vector('big', count) });
	const storages = { '0': float32(1, 2, 3, 4), big: new Uint8Array(4 * count) };
	for (const bytes of [
		torchZip(value, storages),
		torchLegacy(value, {
			keys: ['big', '0'],
			storages: [
				[count, storages.big],
				[4, storages['0']],
			],
		}),
	]) {
		const source = countingSource(bytes);
		const { layers, tensors } = await openCheckpoint(source, { inflate });
		assert.ok(source.bytesRead < 140_000, `${source.bytesRead} bytes`);
		const [found] = layers;
		assert.ok(found);
		assert.deepEqual(await values(found.mean), [1, 2, 3, 4]);
		const big = tensors.at(-1);
		const range = big && (await locateTensor(big));
		assert.equal(range?.length, 4 * count);
		assert.deepEqual(bytes.subarray(range.offset, range.offset + range.length), storages.big);
		assert.ok(source.bytesRead < 141_000, `${source.bytesRead} bytes`);
	}
});

/** Elements 0, 1, 2, … of a storage. */
const COUNTING = float32(...Array.from({ length: 24 }, (_, index) => index));

const VIEWS: readonly [string, Omit<TensorCode, 'count'>, readonly number[]][] = [
	['an offset', { offset: 5, size: [3], stride: [1] }, [5, 6, 7]],
	['a transposed matrix', { size: [3, 2], stride: [1, 3] }, [0, 3, 1, 4, 2, 5]],
	['a column', { offset: 1, size: [4], stride: [6] }, [1, 7, 13, 19]],
	['an expanded scalar', { offset: 9, size: [2, 3], stride: [0, 0] }, [9, 9, 9, 9, 9, 9]],
	['an expanded row', { size: [2, 3], stride: [0, 1] }, [0, 1, 2, 0, 1, 2]],
	['three axes in any order', { offset: 2, size: [2, 2, 2], stride: [2, 8, 1] }, [2, 3, 10, 11, 4, 5, 12, 13]],
	['overlapping windows', { size: [3, 2], stride: [1, 1] }, [0, 1, 1, 2, 2, 3]],
	['axes of size 1 with odd strides', { offset: 4, size: [1, 3, 1], stride: [99, 1, 77] }, [4, 5, 6]],
	['a scalar', { offset: 7, size: [], stride: [] }, [7]],
	['no elements', { offset: 99, size: [0, 3], stride: [3, 1] }, []],
	['the last element', { offset: 23, size: [1], stride: [1] }, [23]],
];

for (const [title, view, expected] of VIEWS) {
	test(`a view with ${title} is gathered, from stored and deflated storages`, async () => {
		const value = dict({ w: tensor({ ...view, count: 24 }) });
		for (const bytes of [torchZip(value, { '0': COUNTING }), deflated(value, COUNTING)]) {
			const { tensors } = await openBytes(bytes);
			assert.deepEqual(tensors[0] && (await values(tensors[0])), expected);
		}
		const legacy = await openBytes(torchLegacy(value, { keys: ['0'], storages: [[24, COUNTING]] }));
		assert.deepEqual(legacy.tensors[0] && (await values(legacy.tensors[0])), expected);
	});
}

function deflated(value: Code, data: Uint8Array): Uint8Array {
	return torchZip(value, {}, [{ name: 'archive/data/0', data, deflate: true }]);
}

const TYPES: readonly [string, Uint8Array, string, readonly number[]][] = [
	['HalfStorage', concat([0, 0x3c, 1, 0]), 'float16', [1, 2 ** -24]],
	['BFloat16Storage', concat([0x80, 0x3f, 0x80, 0xbf]), 'bfloat16', [1, -1]],
	['DoubleStorage', new Uint8Array(Float64Array.of(0.1, -3).buffer), 'float64', [0.1, -3]],
	['LongStorage', concat(little(-2, 8), little(3, 8)), 'int64', [-2, 3]],
	['IntStorage', concat(little(-2, 4), little(3, 4)), 'int32', [-2, 3]],
	['ShortStorage', concat(little(-2, 2), little(3, 2)), 'int16', [-2, 3]],
	['CharStorage', concat([0xfe, 3]), 'int8', [-2, 3]],
	['ByteStorage', concat([0xfe, 3]), 'uint8', [254, 3]],
	['BoolStorage', concat([0, 1]), 'bool', [0, 1]],
];

for (const [type, data, dtype, expected] of TYPES) {
	test(`${type} holds ${dtype}`, async () => {
		const { tensors } = await openBytes(torchZip(dict({ w: vector('0', 2, type) }), { '0': data }));
		assert.equal(tensors[0]?.dtype, dtype);
		assert.deepEqual(tensors[0] && (await values(tensors[0])), expected);
	});
}

test('tensors are recognized in every form that PyTorch and NumPy pickle them', async () => {
	const plain = vector('0', 2);
	const rebuild = (name: string, ...args: readonly Code[]) => call(global('torch._utils', name), ...args);
	const array = call(
		global('numpy.core.multiarray', '_reconstruct'),
		global('numpy', 'ndarray'),
		numbers([0]),
		text('b'),
	);
	const type = code(call(global('numpy', 'dtype'), text('f4')), tuple(int(3), text('<')), 'b');
	const bytes = call(global('_codecs', 'encode'), text(String.fromCharCode(...float32(3, 4, 5, 6))), text('latin1'));
	const arrayState = (columnMajor: boolean) =>
		tuple(int(1), numbers([2, 2]), type, code([columnMajor ? 0x88 : 0x89]), bytes);
	const untyped = storage({ type: 'UntypedStorage', count: 8 });
	const value = dict({
		parameter: rebuild('_rebuild_parameter', plain, code([0x88]), orderedDict({})),
		stateful: rebuild('_rebuild_parameter_with_state', plain, code([0x88]), orderedDict({}), dict({})),
		old: rebuild('_rebuild_tensor', storage({ count: 2 }), int(1), numbers([1]), numbers([1])),
		third: rebuild(
			'_rebuild_tensor_v3',
			...[untyped, int(0), numbers([8]), numbers([1]), NONE, NONE, global('torch', 'float8_e4m3fn')],
		),
		typed: call(
			global('torch._tensor', '_rebuild_from_type_v2'),
			...[global('torch._utils', '_rebuild_parameter'), global('my', 'Tensor'), tuple(plain, NONE, NONE), NONE],
		),
		array: code(array, arrayState(false), 'b'),
		fortran: code(array, arrayState(true), 'b'),
		sized: call(
			global('torch._utils', '_rebuild_tensor_v2'),
			...[storage({ count: 2 }), int(0), call(global('torch', 'Size'), numbers([2])), numbers([1])],
		),
	});
	const { tensors, unreadable } = await openBytes(torchZip(value, { '0': float32(1, 2) }));
	assert.deepEqual(unreadable, []);
	const found = await Promise.all(
		tensors.map(async (item) => [item.name, item.dtype, (await values(item)).slice(0, 4)]),
	);
	assert.deepEqual(found, [
		['parameter', 'float32', [1, 2]],
		['stateful', 'float32', [1, 2]],
		['old', 'float32', [2]],
		['third', 'float8e4m3fn', [0, 0, -0, 1.875]],
		['typed', 'float32', [1, 2]],
		['array', 'float32', [3, 4, 5, 6]],
		['fortran', 'float32', [3, 5, 4, 6]],
		['sized', 'float32', [1, 2]],
	]);
});

test('tensors that cannot be read are named with the reason', async () => {
	const wrong = (view: Omit<TensorCode, 'count'>) => tensor({ ...view, count: 4 });
	const value = dict({
		beyond: wrong({ offset: 2, size: [3], stride: [1] }),
		far: wrong({ size: [2, 2], stride: [100, 1] }),
		huge: wrong({ size: [2 ** 40, 2 ** 40], stride: [0, 0] }),
		negative: wrong({ offset: 3, size: [3], stride: [-1] }),
		uneven: wrong({ size: [2, 2], stride: [1] }),
		missing: vector('9', 4),
		short: vector('0', 9),
		quantized: vector('0', 4, 'QInt8Storage'),
		unknown: vector('0', 4, 'StrangeStorage'),
		sparse: call(global('torch._utils', '_rebuild_sparse_tensor'), NONE, NONE),
		inner: call(global('torch.storage', '_load_from_bytes'), code('C', [1, 1])),
		good: vector('0', 4),
	});
	const { tensors, unreadable, notes } = await openBytes(torchZip(value, { '0': float32(1, 2, 3, 4) }));
	assert.deepEqual(
		tensors.map(({ name }) => name),
		['good'],
	);
	const reasons = Object.fromEntries(unreadable.map(({ name, reason }) => [name, reason]));
	assert.match(reasons.beyond ?? '', /needs 20 bytes of a storage that has 16/);
	assert.match(reasons.far ?? '', /needs 408 bytes/);
	assert.match(reasons.huge ?? '', /more elements than can be counted/);
	assert.match(reasons.negative ?? '', /contain -1/);
	assert.match(reasons.uneven ?? '', /2 dimensions but 1 strides/);
	assert.match(reasons.missing ?? '', /"archive\/data\/9" is not in the file/);
	assert.match(reasons.short ?? '', /has 16 bytes where the pickle says 36/);
	assert.match(reasons.quantized ?? '', /quantized/);
	assert.match(reasons.unknown ?? '', /StrangeStorage/);
	assert.match(reasons.sparse ?? '', /_rebuild_sparse_tensor/);
	assert.match(reasons.inner ?? '', /inside of the pickle/);
	assert.equal(Object.keys(reasons).length, 11);
	assert.match(notes[0] ?? '', /"beyond" and 10 more cannot be read, because/);
});

test('an expanded tensor of 4 GB is refused when it is read, not when it is opened', async () => {
	const value = dict({ w: tensor({ count: 1, size: [2 ** 30], stride: [0] }) });
	const { tensors } = await openBytes(torchZip(value, { '0': float32(1) }));
	assert.ok(tensors[0]);
	await assert.rejects(values(tensors[0]), checkpointError('limit', /tensorBytes/));
});

/** Paths of the chosen part and of the others. */
function parts({ choice }: Checkpoint): readonly [string, readonly string[]] {
	return [choice.chosen.path.join('/'), choice.others.map(({ path }) => path.join('/'))];
}

test('the part with the most layers is the model, wherever it is', async () => {
	const optimizer = dict({ state: code('}(', int(0), dict({ exp_avg: vector('0', 4) }), 'u') });
	const value = dict({
		epoch: int(3),
		optimizer,
		nets: list(dict({ G: dict(layer('a.')) }), dict({ D: orderedDict({ ...layer('a.'), ...layer('b.') }) })),
	});
	const checkpoint = await openBytes(torchZip(value, { '0': float32(1, 2, 3, 4) }));
	assert.deepEqual(parts(checkpoint), ['nets/1/D', ['nets/0/G']]);
	assert.match(checkpoint.choice.sentence, /^"nets\/1\/D" was read as the model: .* also in the file: "nets\/0\/G"\.$/);
});

test('averaged weights win over the weights in training, and any part can be requested', async () => {
	const bytes = torchZip(dict({ model: dict(layer('a.')), model_ema: dict(layer('a.')) }), {
		'0': float32(1, 2, 3, 4),
	});
	const checkpoint = await openBytes(bytes);
	assert.deepEqual(parts(checkpoint), ['model_ema', ['model']]);
	assert.match(checkpoint.choice.sentence, /averaged weights/);
	const source = countingSource(bytes);
	assert.deepEqual(parts(await openCheckpoint(source, { inflate, part: ['model'] })), ['model', ['model_ema']]);
	await assert.rejects(openCheckpoint(source, { inflate, part: ['x'] }), checkpointError('no-tensors', /"x"/));
});

test('a module tree is walked in the order of its state_dict, with its settings', async () => {
	const bn = module('BatchNorm2d', {
		parameters: { weight: call(global('torch._utils', '_rebuild_parameter'), vector('0', 4)), bias: NONE },
		buffers: { running_mean: vector('0', 4), running_var: vector('0', 4) },
		attributes: { eps: code('G', [0x3f, 0x50, 0x62, 0x4d, 0xd2, 0xf1, 0xa9, 0xfc]), momentum: NONE },
	});
	const conv = module('Conv2d', {
		parameters: { weight: tensor({ count: 4, size: [4, 1, 1, 1], stride: [1, 1, 1, 1] }), bias: NONE },
		attributes: { groups: int(1), stride: numbers([2, 2]), secret: call(global('os', 'system'), text('x')) },
	});
	const bare = module('BatchNorm2d', { parameters: { weight: vector('0', 4) }, buffers: { running_mean: NONE } });
	const block = module('Block', { modules: { conv, bn, none: NONE, bare } });
	const root = module('Net', { parameters: { scale: vector('0', 4) }, modules: { '0': block } });
	const wrapper = object(global('train', 'ModelEMA'), dict({ ema: root, updates: int(9) }));
	const checkpoint = await openBytes(torchZip(dict({ model: NONE, ema: wrapper }), { '0': float32(1, 2, 3, 4) }));
	assert.deepEqual(parts(checkpoint), ['ema/ema', []]);
	assert.deepEqual(
		checkpoint.tensors.map(({ name }) => name),
		['scale', '0.conv.weight', '0.bn.weight', '0.bn.running_mean', '0.bn.running_var', '0.bare.weight'],
	);
	assert.deepEqual(
		checkpoint.modules.map(({ name, className }) => [name, className]),
		[
			['', 'Net'],
			['0', 'Block'],
			['0.conv', 'Conv2d'],
			['0.bn', 'BatchNorm2d'],
			['0.bare', 'BatchNorm2d'],
		],
	);
	assert.deepEqual(
		[...(checkpoint.modules[2]?.settings ?? [])],
		[
			['training', false],
			['groups', 1],
			['stride', [2, 2]],
		],
	);
	const [found] = checkpoint.layers;
	assert.equal(found?.epsilon, 0.001);
	assert.equal(found?.beta, undefined);
	assert.equal(found?.front[0]?.weight.name, '0.conv.weight');
	assert.deepEqual(checkpoint.withoutStatistics, [{ name: '0.bare', certain: true }]);
});

test('legacy files wrap the classes of modules, and may view a part of a storage', async () => {
	const wrapped = code(tuple(text('module'), global('torch.nn', 'BatchNorm2d'), text('bn.py'), text('source')), 'Q');
	const view = code(
		tuple(
			...[text('storage'), global('torch', 'FloatStorage'), text('7'), text('cpu'), int(4)],
			tuple(text('v'), int(2), int(2)),
		),
		'Q',
	);
	const mean = call(global('torch._utils', '_rebuild_tensor_v2'), view, int(0), numbers([2]), numbers([1]));
	const statistics = orderedDict({ running_mean: mean, running_var: mean });
	const state = dict({ _parameters: orderedDict({}), _modules: orderedDict({}), _buffers: statistics });
	const value = code(wrapped, EMPTY_TUPLE, [0x81], state, 'b');
	for (const pickleProtocol of [2, 4]) {
		const spec = { keys: ['7'], storages: [[4, float32(1, 2, 3, 4)]] as const, pickleProtocol };
		const { layers, modules } = await openBytes(torchLegacy(value, spec));
		assert.equal(modules[0]?.className, 'BatchNorm2d');
		assert.deepEqual(layers[0] && (await values(layers[0].mean)), [3, 4]);
	}
});

const VALUE = dict({ w: vector('0', 4) });
const FOUR = float32(1, 2, 3, 4);

const BROKEN: readonly [string, Uint8Array, string, RegExp][] = [
	['legacy: protocol 1002', legacy({ protocol: 1002 }), 'malformed', /protocol 1001/],
	['legacy: big-endian numbers', legacy({ littleEndian: false }), 'unsupported', /big-endian/],
	['legacy: a storage that no tensor uses', legacy({ keys: ['0', '1'] }), 'malformed', /"1", which no tensor uses/],
	['legacy: a cut storage', legacy({}).subarray(0, -1), 'truncated', /storage "0"/],
	['legacy: a cut pickle', legacy({}).subarray(0, 60), 'truncated', /ends at byte/],
	[
		'zip: big-endian numbers',
		torchZip(VALUE, { '0': FOUR }, [{ name: 'archive/byteorder', data: concat('big') }]),
		'unsupported',
		/big-endian/,
	],
	['zip: no tensors', torchZip(dict({ epoch: int(1) })), 'no-tensors', /no named tensors/],
	['zip: a number', torchZip(int(1)), 'no-tensors', /no named tensors/],
	['zip: a module in itself', torchZip(endlessModule()), 'limit', /treeDepth/],
	['zip: a module tree of 2^60 leaves', torchZip(doublingModule(60)), 'limit', /modules \(tensors\)|pickleRecords/],
	['zip: 10,000 nested lists', torchZip(code(']'.repeat(9000), 'a'.repeat(8999))), 'limit', /treeDepth/],
];

for (const [title, bytes, errorCode, message] of BROKEN) {
	test(`${title} ends in one sentence`, async () => {
		const start = process.cpuUsage();
		await assert.rejects(openBytes(bytes), checkpointError(errorCode, message));
		// Processor time, because other processes may use the machine as well.
		assert.ok(process.cpuUsage(start).user < 5e6);
	});
}

function legacy(spec: Partial<Parameters<typeof torchLegacy>[1]>): Uint8Array {
	return torchLegacy(VALUE, { keys: ['0'], storages: [[4, FOUR]], ...spec });
}

/** A module whose only child is itself. */
function endlessModule(): Code {
	const start = code(global('m', 'M'), EMPTY_TUPLE, [0x81], 'q', [0]);
	const empty = call(global('collections', 'OrderedDict'));
	const modules = code(empty, '(', text('m'), 'h', [0], 'u');
	return code(start, '}(', text('_parameters'), empty, text('_modules'), modules, 'ub');
}

/** A module with two children that are the same module, `depth` times. */
function doublingModule(depth: number): Code {
	const empty = call(global('collections', 'OrderedDict'));
	let inner = module('Leaf', { parameters: { weight: vector('0', 4) } });
	for (let level = 0; level < depth; level++) {
		const modules = code(empty, '(', text('a'), inner, 'q', [level], text('b'), 'h', [level], 'u');
		inner = object(global('m', 'M'), code('}(', text('_parameters'), empty, text('_modules'), modules, 'u'));
	}
	return inner;
}

test("a legacy storage whose count differs from the pickle's is refused when it is read", async () => {
	const bytes = torchLegacy(VALUE, { keys: ['0'], storages: [[5, FOUR]] });
	const { tensors } = await openBytes(bytes);
	assert.ok(tensors[0]);
	await assert.rejects(values(tensors[0]), checkpointError('malformed', /5 elements where the pickle says 4/));
});

test('calls that would run code become inert records', async () => {
	const value = dict({
		a: call(global('os', 'system'), text('touch /tmp/owned')),
		b: call(global('builtins', 'eval'), text('1')),
		c: call(global('torch', 'load'), text('other.pth')),
		d: object(global('subprocess', 'Popen'), tuple(text('sh'))),
		...layer('bn.'),
	});
	const { layers, tensors } = await openBytes(torchZip(value, { '0': FOUR }));
	assert.equal(layers.length, 1);
	assert.equal(tensors.length, 4);
});

test('limits of pickles and tensors are named', async () => {
	const bytes = torchZip(dict(layer('bn.')), { '0': FOUR });
	await assert.rejects(openBytes(bytes, { pickleBytes: 100 }), checkpointError('limit', /pickleBytes/));
	await assert.rejects(openBytes(bytes, { tensors: 3 }), checkpointError('limit', /tensors/));
	const large = torchLegacy(VALUE, { keys: ['0'], storages: [[4, FOUR]] });
	await assert.rejects(openBytes(large, { pickleBytes: 60 }), checkpointError('limit', /pickleBytes/));
});

test('a TorchScript class without its code has no epsilon', async () => {
	const scripted =
		'class BatchNorm2d(Module):\n  eps : Final[float] = 0.001\nclass Other(Module):\n  eps : Final[float] = 5.\n';
	const open = (batchNorm?: string) => openBytes(torchZip(scriptRoot(), { '0': FOUR }, scriptEntries(batchNorm)));
	assert.equal((await open()).layers[0]?.epsilon, undefined);
	assert.equal((await open(scripted)).layers[0]?.epsilon, 0.001);
	assert.equal((await open('class BatchNorm2d(Module):\n  x = 1\n')).layers[0]?.epsilon, undefined);
	assert.equal((await open(scripted)).format, 'torchscript');
});
