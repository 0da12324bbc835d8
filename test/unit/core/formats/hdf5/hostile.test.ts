import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildZip, concat, little } from '../../../support/checkpoint-builder.js';
import { checkpointBytes, checkpointError, openBytes, values } from '../../../support/checkpoints.js';
import {
	buildHdf5,
	type DatasetSpec,
	FIRST_ADDRESS,
	FLOAT32,
	type GroupSpec,
	linkMessage,
	message,
	objectHeader,
} from '../../../support/hdf5-builder.js';
import { unzippedBytes } from '../../../support/keras-files.js';

const STATISTICS: Readonly<Record<string, DatasetSpec>> = {
	moving_mean: { dims: [2], values: [1, 2] },
	moving_variance: { dims: [2], values: [3, 4] },
};

/** A file of one BN layer beside a dataset. */
function beside(spec: Partial<DatasetSpec>): Uint8Array {
	return buildHdf5({ children: { bn: { children: STATISTICS }, odd: { children: { w: { dims: [2], ...spec } } } } });
}

async function reasonOf(spec: Partial<DatasetSpec>): Promise<string | undefined> {
	const { layers, unreadable } = await openBytes(beside(spec));
	assert.equal(layers.length, 1);
	return unreadable[0]?.reason;
}

test('a dataset that lies about its size costs only itself', async () => {
	const contiguous = (address: number, size: number) => concat([3, 1], little(address, 8), little(size, 8));
	assert.match((await reasonOf({ dims: [3], values: [1, 2] })) ?? '', /needs 12 bytes of which the file holds 8/);
	assert.match((await reasonOf({ dims: [2 ** 40] })) ?? '', /needs 4398046511104 bytes/);
	assert.match((await reasonOf({ dims: [2 ** 40, 2 ** 40] })) ?? '', /more elements than can be counted/);
	assert.match((await reasonOf({ layout: contiguous(2 ** 50, 8) })) ?? '', /of which the file holds 0/);
	assert.match((await reasonOf({ layout: concat([3, 1], new Uint8Array(8).fill(255), little(8, 8)) })) ?? '', /never/);
	assert.match((await reasonOf({ layout: concat([3, 0], little(2, 2), [1, 2]) })) ?? '', /needs 8 bytes .* holds 2/);
	assert.match((await reasonOf({ layout: concat([4, 3, 0, 0]) })) ?? '', /parts of other datasets/);
	assert.match((await reasonOf({ layout: concat([9, 1]) })) ?? '', /version 9/);
	assert.match((await reasonOf({ messages: [message(7, new Uint8Array(16))] })) ?? '', /in another file/);
	assert.match((await reasonOf({ messages: [message(3, FLOAT32, 2)] })) ?? '', /shares its type/);
});

test('chunks that lie about their sizes cost only their dataset', async () => {
	const chunked = (chunk: readonly number[], address = 0) =>
		concat([3, 2, chunk.length + 1], little(address, 8), ...[...chunk, 4].map((dim) => little(dim, 4)));
	assert.match((await reasonOf({ layout: chunked([0]) })) ?? '', /does not fit its chunks/);
	assert.match((await reasonOf({ layout: chunked([1, 1]) })) ?? '', /does not fit its chunks/);
	assert.match((await reasonOf({ layout: chunked([2 ** 31]) })) ?? '', /does not fit its chunks/);
	// Without filters a file holds as many bytes as it announces.
	assert.match((await reasonOf({ dims: [2 ** 20], layout: chunked([2 ** 10]) })) ?? '', /needs 4194304 bytes/);
	const filters = (...ids: readonly number[]) =>
		message(11, concat([2, ids.length], ...ids.map((id) => concat(little(id, 2), little(0, 2), little(0, 2)))));
	assert.match((await reasonOf({ layout: chunked([2]), messages: [filters(4)] })) ?? '', /szip/);
	assert.match((await reasonOf({ layout: chunked([2]), messages: [filters(...Array(9).fill(2))] })) ?? '', /filters/);
	// Deflate makes at most 1,032 bytes of one, so this file cannot hold a million elements.
	assert.match(
		(await reasonOf({ dims: [2 ** 24], layout: chunked([2 ** 10]), messages: [filters(1)] })) ?? '',
		/needs/,
	);
});

test('a missing or broken chunk is an error of its tensor when it is read', async () => {
	const single = (address: number, bytes: number) =>
		concat([4, 2, 2, 2, 1], [2, 4], [1], little(bytes, 8), little(0, 4), little(address, 8));
	const deflate = message(11, concat([2, 1], little(1, 2), little(0, 2), little(0, 2)));
	for (const [address, bytes, code] of [
		[FIRST_ADDRESS, 8, 'malformed'],
		[FIRST_ADDRESS, 2 ** 40, 'truncated'],
		[2 ** 40, 8, 'truncated'],
	] as const) {
		const { tensors } = await openBytes(beside({ layout: single(address, bytes), messages: [deflate] }));
		const tensor = tensors.find(({ name }) => name === 'odd/w');
		assert.ok(tensor);
		await assert.rejects(values(tensor), checkpointError(code));
	}
});

test('a group that contains itself, and a link to another file, are passed over', async () => {
	const external = message(6, concat([1, 9, 64], little(1, 2), 'x', little(2, 2), [0, 0]));
	const spec: GroupSpec = { children: { bn: { children: STATISTICS } }, messages: [external] };
	// Its own link has the same size for any address.
	const draft = buildHdf5({ ...spec, links: { loop: 0 } });
	const loop = Number(new DataView(draft.buffer).getBigUint64(36, true));
	const { layers, unreadable } = await openBytes(buildHdf5({ ...spec, links: { loop } }));
	assert.equal(layers.length, 1);
	assert.deepEqual(unreadable, [{ name: 'x', reason: 'it is a link to another place' }]);
});

function nested(depth: number): GroupSpec {
	let spec: GroupSpec = { children: STATISTICS };
	for (let level = 0; level < depth; level++) {
		spec = { children: { g: spec } };
	}
	return spec;
}

/** An object header at the first address that continues at itself. */
function endlessHeader(): Uint8Array {
	const continuation = message(16, concat(little(FIRST_ADDRESS, 8), little(28, 8)));
	return atFirst(concat('OCHK', continuation, little(0, 4)), objectHeader(continuation));
}

/** A file whose root is `object`, behind `first` at the first address. */
function atFirst(first: Uint8Array, object: Uint8Array): Uint8Array {
	const root = FIRST_ADDRESS + first.length;
	const end = root + object.length;
	const undefinedAddress = new Uint8Array(8).fill(255);
	return concat(
		...['\x89HDF\r\n\x1a\n', [2, 8, 8, 0], little(0, 8), undefinedAddress, little(end, 8), little(root, 8)],
		...[little(0, 4), first, object],
	);
}

const SYMBOLS = (tree: number, heap: number) => message(17, concat(little(tree, 8), little(heap, 8)));

/** A group of version 1 whose B-tree node is its own child. */
function endlessTree(level: number): Uint8Array {
	const heap = concat('HEAP', little(0, 4), little(8, 8), little(0, 8), little(FIRST_ADDRESS, 8));
	const tree = FIRST_ADDRESS + heap.length;
	const node = concat('TREE', [0, level], little(1, 2), little(-1, 8), little(-1, 8), little(0, 8), little(tree, 8));
	return atFirst(concat(heap, node), objectHeader(SYMBOLS(tree, FIRST_ADDRESS)));
}

/** Groups that each contain the next one twice: 2^depth paths to few objects. */
function doubling(depth: number): Uint8Array {
	let first: Uint8Array = new Uint8Array(0);
	let target = FIRST_ADDRESS;
	for (let level = 0; level < depth; level++) {
		const header = objectHeader(linkMessage('a', target), linkMessage('b', target));
		target = FIRST_ADDRESS + first.length;
		first = concat(first, header);
	}
	return atFirst(first, objectHeader(linkMessage('a', target)));
}

const OLD = checkpointBytes('kseq.weights.h5');
const DENSE = unzippedBytes('kdense.h5');

function changed(bytes: Uint8Array, at: number, patch: Uint8Array | readonly number[]): Uint8Array {
	const result = Uint8Array.from(bytes);
	result.set(patch, at);
	return result;
}

function find(bytes: Uint8Array, signature: string): number {
	const at = Buffer.from(bytes).indexOf(signature, 0, 'latin1');
	assert.ok(at > 0, signature);
	return at;
}

const BROKEN: readonly [string, Uint8Array, string, RegExp][] = [
	['a signature alone', concat('\x89HDF\r\n\x1a\n'), 'truncated', /superblock/],
	['a version of the future', concat('\x89HDF\r\n\x1a\n', [9], new Uint8Array(90)), 'unsupported', /version 9/],
	['addresses of 3 bytes', concat('\x89HDF\r\n\x1a\n', [2, 3, 8], new Uint8Array(90)), 'malformed', /3 bytes/],
	['half a file', OLD.subarray(0, OLD.length / 2), 'truncated', /copy or download/],
	['a root beyond the end', changed(OLD, 64, little(2 ** 40, 8)), 'truncated', /object header/],
	['a root without an address', changed(OLD, 64, little(-1, 8)), 'malformed', /lacks an address/],
	['a group without its tree', changed(OLD, find(OLD, 'TREE'), [0]), 'malformed', /signature TREE/],
	['a tree of another type', changed(OLD, find(OLD, 'TREE') + 4, [1]), 'malformed', /wrong place/],
	['a heap without its signature', changed(OLD, find(OLD, 'HEAP'), [0]), 'malformed', /signature HEAP/],
	['a heap of 2^60 bytes', changed(OLD, find(OLD, 'HEAP') + 8, little(2n ** 60n, 8)), 'truncated', /a heap of names/],
	['a table without its signature', changed(OLD, find(OLD, 'SNOD'), [0]), 'malformed', /signature SNOD/],
	['a table of 65,535 names', changed(OLD, find(OLD, 'SNOD') + 6, [255, 255]), 'truncated', /symbol table/],
	['a broken fractal heap', changed(DENSE, find(DENSE, 'FRHP'), [0]), 'malformed', /signature FRHP/],
	['a broken index', changed(DENSE, find(DENSE, 'BTHD'), [0]), 'malformed', /signature BTHD/],
	['an index of other records', changed(DENSE, find(DENSE, 'BTHD') + 5, [7]), 'malformed', /records of type 7/],
	['an index of depth 255', changed(DENSE, find(DENSE, 'BTHD') + 12, [255]), 'malformed', /255 levels/],
	['a header that continues at itself', endlessHeader(), 'limit', /structureBytes/],
	['a tree that is its own child', endlessTree(0), 'malformed', /signature SNOD/],
	['a tree that is its own parent', endlessTree(1), 'malformed', /wrong place/],
	['2^1000 paths', doubling(1000), 'limit', /treeDepth/],
	['1,000 nested groups', buildHdf5(nested(1000)), 'limit', /treeDepth/],
	['no tensor', buildHdf5({}), 'no-tensors', /without the weights of a Keras model/],
	['no dataset that can be read', buildHdf5({ children: { a: { children: {} } } }), 'no-tensors', /Keras/],
	['a configuration that is no JSON', configured('{'), 'malformed', /not valid JSON/],
	['a deep configuration', configured('['.repeat(5000)), 'limit', /treeDepth/],
];

function configured(config: string): Uint8Array {
	return buildHdf5({ attributes: { model_config: config }, children: { bn: { children: STATISTICS } } });
}

for (const [title, bytes, code, message] of BROKEN) {
	test(`HDF5: ${title} ends in one sentence`, () => assert.rejects(openBytes(bytes), checkpointError(code, message)));
}

test('a configuration of a million values is refused before it is parsed', async () => {
	const config = new TextEncoder().encode(`[${'0,'.repeat(1_100_000)}0]`);
	const entries = [
		{ name: 'config.json', data: config, deflate: true },
		{ name: 'model.weights.h5', data: OLD },
	];
	await assert.rejects(openBytes(buildZip({ entries })), checkpointError('limit', /configValues/));
	const bomb = [{ name: 'config.json', data: new Uint8Array(2 ** 25), deflate: true }, ...entries.slice(1)];
	await assert.rejects(openBytes(buildZip({ entries: bomb })), checkpointError('limit', /configBytes/));
});

test('limits of tensors and of the structure are named', async () => {
	await assert.rejects(openBytes(OLD, { tensors: 3 }), checkpointError('limit', /tensors/));
	await assert.rejects(openBytes(OLD, { structureBytes: 5000 }), checkpointError('limit', /structureBytes/));
	await assert.rejects(openBytes(DENSE, { tensors: 3 }), checkpointError('limit', /tensors/));
});

test('a shape or an attribute of another version is refused', async () => {
	await assert.rejects(openBytes(beside({ space: concat([7, 1, 0, 0]) })), checkpointError('malformed', /version 7/));
	const attribute = message(12, concat([9], new Uint8Array(12)));
	const bytes = buildHdf5({ children: { bn: { children: STATISTICS, messages: [attribute] } } });
	await assert.rejects(openBytes(bytes), checkpointError('malformed', /version 9/));
});

test('a scalar and an empty shape are read', async () => {
	const { tensors } = await openBytes(
		buildHdf5({
			children: {
				a: { children: { w: { dims: [], values: [3] }, e: { dims: [0], space: concat([2, 0, 0, 2]) } } },
			},
		}),
	);
	assert.deepEqual(
		tensors.map(({ name, dims }) => [name, dims]),
		[
			['a/e', [0]],
			['a/w', []],
		],
	);
});

test('a chain of 100,000 layers in the configuration costs no more than reading it', async () => {
	const count = 100_000;
	const layer = (name: string, className: string) => ({ class_name: className, config: { name } });
	const chain = Array.from({ length: count }, (_, index) => layer(`d${index}`, 'Dropout'));
	const normalizations = Array.from({ length: 200 }, (_, index) => layer(`bn${index}`, 'BatchNormalization'));
	const config = { class_name: 'Sequential', config: { layers: [...chain, ...normalizations] } };
	const names = normalizations.map(({ config: { name } }) => name);
	const statistics = Object.keys(STATISTICS);
	const children = Object.fromEntries(
		names.map((name) => [name, { children: STATISTICS, attributes: { weight_names: statistics } }]),
	);
	const h5 = buildHdf5({ attributes: { layer_names: names }, children });
	const entries = [
		{ name: 'config.json', data: new TextEncoder().encode(JSON.stringify(config)), deflate: true },
		{ name: 'model.weights.h5', data: h5 },
	];
	const start = process.cpuUsage();
	const { layers } = await openBytes(buildZip({ entries }));
	assert.equal(layers.length, 200);
	assert.equal(layers[0]?.input?.name, `d${count - 1}`);
	assert.ok(process.cpuUsage(start).user < 5e6);
});
