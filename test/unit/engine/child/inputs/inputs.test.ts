import assert from 'node:assert/strict';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { zipSync } from 'fflate';
import { readInputFile } from '../../../../../src/engine/child/inputs/input-files.js';
import { makeFeeds, planInputs } from '../../../../../src/engine/child/inputs/inputs.js';
import { encodeNpy } from '../../../../../src/engine/child/tensors/npy.js';

const defaults = { files: [], batch: 2, seed: 0, unknownSize: 5 };
const image = { name: 'image', type: 'float32', shape: ['N', 3, 'H', 'W'] };

let folder: string;
before(async () => {
	folder = await mkdtemp(path.join(tmpdir(), 'bnl-inputs-'));
});
after(() => rm(folder, { recursive: true }));

async function save(name: string, bytes: Uint8Array): Promise<string> {
	const file = path.join(folder, name);
	await writeFile(file, bytes);
	return file;
}

test('made-up inputs take the batch and guessed sizes, and repeat for a seed', async () => {
	const feeds = await makeFeeds([image], defaults);
	assert.deepEqual(feeds.summary, [
		{ name: 'image', shape: [2, 3, 5, 5], dtype: 'float32', from: 'random normal, seed 0, guessed H = 5, W = 5' },
	]);
	assert.equal(feeds.fromFiles, false);
	const again = await makeFeeds([image], defaults);
	assert.deepEqual(again.tensors, feeds.tensors);
	const other = await makeFeeds([image], { ...defaults, seed: 1 });
	assert.notDeepEqual(other.tensors, feeds.tensors);
});

test('a variance that is an input of the graph is not made negative', async () => {
	const values = async (positive: Set<string>) =>
		(await makeFeeds([{ name: 'var', type: 'float32', shape: [100] }], { ...defaults, positive })).tensors.get('var')
			?.data;
	assert.ok(((await values(new Set())) as Float32Array).some((value) => value < 0));
	assert.ok(((await values(new Set(['var']))) as Float32Array).every((value) => value >= 0));
});

test('integer inputs are 0 or 1, in the array type that the runtime takes', async () => {
	const feeds = await makeFeeds(
		[
			{ name: 'ids', type: 'int64', shape: [100] },
			{ name: 'mask', type: 'bool', shape: [100] },
		],
		defaults,
	);
	const ids = feeds.tensors.get('ids')?.data as BigInt64Array;
	assert.ok(ids instanceof BigInt64Array && ids.every((id) => id === 0n || id === 1n) && ids.includes(1n));
	assert.ok(feeds.tensors.get('mask')?.data instanceof Uint8Array);
});

test('a file is taken by name, or without a name where there is only one input', async () => {
	const data = Float32Array.from({ length: 12 }, (_, i) => i);
	const file = await save('a.npy', encodeNpy({ type: 'float32', shape: [1, 3, 2, 2], data }));
	for (const input of ['image', undefined]) {
		const feeds = await makeFeeds([image], { ...defaults, files: [{ input, path: file }] });
		assert.deepEqual(feeds.tensors.get('image'), { type: 'float32', dims: [1, 3, 2, 2], data });
		assert.equal(feeds.fromFiles, true);
		assert.equal(feeds.summary[0].from, file);
	}
});

test('float64 files are rounded to the type of the input', async () => {
	const file = await save('wide.npy', encodeNpy({ type: 'float64', shape: [2], data: Float64Array.of(0.1, 65504) }));
	const half = await makeFeeds([{ name: 'x', type: 'float16', shape: [2] }], {
		...defaults,
		files: [{ input: 'x', path: file }],
	});
	// numpy.float16(0.1) is 0x2e66, and 65504 the largest finite half.
	assert.deepEqual(half.tensors.get('x')?.data, Uint16Array.of(0x2e66, 0x7bff));
});

test('a file that does not fit is named with the input and both shapes', async () => {
	const file = await save('b.npy', encodeNpy({ type: 'float32', shape: [1, 4, 2, 2], data: new Float32Array(16) }));
	const feed = (inputs: Parameters<typeof makeFeeds>[0], input?: string) =>
		makeFeeds(inputs, { ...defaults, files: [{ input, path: file }] });
	await assert.rejects(feed([image]), /b\.npy has shape \[1, 4, 2, 2\], but input "image" takes \[N, 3, H, W\]/);
	const open = { ...image, shape: ['', 3, -1] };
	await assert.rejects(feed([open]), /but input "image" takes \[\?, 3, \?\]/);
	await assert.rejects(feed([image], 'imgae'), /no input "imgae"; its inputs are: image/);
	await assert.rejects(feed([image, { ...image, name: 'other' }]), /any of this model's inputs \(image, other\)/);
	await assert.rejects(
		feed([{ ...image, type: 'int64', shape: [1, 4, 2, 2] }]),
		/holds float32, but input "image" takes int64/,
	);
	await assert.rejects(makeFeeds([{ name: 's', type: 'string', shape: [1] }], defaults), /element type string/);
	await assert.rejects(makeFeeds([{ name: 's', type: 'not a tensor', shape: undefined }], defaults), /not a tensor/);
	await assert.rejects(
		makeFeeds([{ name: 'x', type: 'float32', shape: [1e6, 1e6] }], defaults),
		/1000000000000 values/,
	);
});

test('members of .npz archives are found by the input, alone, or by name', async () => {
	const one = encodeNpy({ type: 'float32', shape: [1], data: Float32Array.of(1) });
	const two = encodeNpy({ type: 'float32', shape: [1], data: Float32Array.of(2) });
	const both = await save('both.npz', zipSync({ 'x.npy': one, 'y.npy': two }));
	const single = await save('single.npz', zipSync({ 'arr_0.npy': two }));
	assert.deepEqual((await readInputFile(both, 'x')).data, Float32Array.of(1));
	assert.deepEqual((await readInputFile(`${both}:y`, 'x')).data, Float32Array.of(2));
	assert.deepEqual((await readInputFile(single, 'x')).data, Float32Array.of(2));
	await assert.rejects(readInputFile(both, 'z'), /no array "z"; it holds x, y/);
	await assert.rejects(readInputFile(await save('bad.npz', Uint8Array.of(1, 2)), 'x'), /not a readable \.npz/);
});

test('ONNX TensorProto files are read in every storage form that the reader knows', async () => {
	// dims: [2, 1], data_type: FLOAT, float_data (packed): 1, 2
	const typed = Uint8Array.of(0x08, 2, 0x08, 1, 0x10, 1, 0x22, 8, 0, 0, 0x80, 0x3f, 0, 0, 0, 0x40);
	const array = await readInputFile(await save('x.pb', typed), 'x');
	assert.deepEqual(array, { type: 'float32', shape: [2, 1], data: Float32Array.of(1, 2) });
	await assert.rejects(readInputFile(await save('cut.pb', typed.slice(0, 12)), 'x'), /cut\.pb is not an ONNX tensor/);
	await assert.rejects(readInputFile(await save('x.txt', typed), 'x'), /give a \.npy, \.npz or ONNX TensorProto/);
	await assert.rejects(readInputFile(path.join(folder, 'none.npy'), 'x'), /no such file/);
	await assert.rejects(readInputFile(folder, 'x'), /no input this tool reads|folder/);
});

test('devices and pipes are no input files, because reading them would not end', {
	skip: process.platform === 'win32',
}, async () => {
	const endless = path.join(folder, 'endless.npy');
	await symlink('/dev/zero', endless);
	await assert.rejects(readInputFile(endless, 'x'), /endless\.npy cannot be read: it is a device or pipe, not a file/);
});

async function samples(count: number, shape: readonly number[], prefix: string): Promise<string[]> {
	const size = shape.reduce((a, b) => a * b, 1);
	return Promise.all(
		Array.from({ length: count }, (_, i) =>
			save(`${prefix}${i + 1}.npy`, encodeNpy({ type: 'float32', shape, data: new Float32Array(size).fill(i + 1) })),
		),
	);
}

test('several files run in batches of the requested size, the last batch with the rest', async () => {
	const files = await samples(5, [1, 3, 2, 2], 'sample');
	const options = { ...defaults, batch: 2, files: files.map((file) => ({ input: 'image', path: file })) };
	const plan = await planInputs([image], options);
	assert.equal(plan.runs, 3);
	const runs = await Promise.all([0, 1, 2].map((run) => plan.feeds(run, 1)));
	assert.deepEqual(
		runs.map(({ tensors }) => tensors.get('image')?.dims),
		[
			[2, 3, 2, 2],
			[2, 3, 2, 2],
			[1, 3, 2, 2],
		],
	);
	const values = runs.map(({ tensors }) => [...new Set(Array.from(tensors.get('image')?.data ?? [], Number))]);
	assert.deepEqual(values, [[1, 2], [3, 4], [5]]);
	assert.equal(runs[1].summary[0].from, `2 files: ${files[2]} to sample4.npy`);
	assert.ok(runs.every(({ fromFiles }) => fromFiles));
});

test('a declared batch is filled, or the files are refused', async () => {
	const files = (await samples(4, [1, 3, 2, 2], 'fixed')).map((file) => ({ input: 'image', path: file }));
	const input = { ...image, shape: [2, 3, 2, 2] };
	assert.equal((await planInputs([input], { ...defaults, batch: 1, files })).runs, 2);
	await assert.rejects(
		planInputs([input], { ...defaults, files: files.slice(1) }),
		/3 files for input "image" do not make whole batches of 2/,
	);
});

test('a folder stands for its files in the order of their numbers; arrays without a batch axis are samples', async () => {
	const inner = await mkdtemp(path.join(folder, 'set-'));
	for (const i of [10, 9, 1]) {
		const data = new Float32Array(12).fill(i);
		await writeFile(path.join(inner, `${i}.npy`), encodeNpy({ type: 'float32', shape: [3, 2, 2], data }));
	}
	await writeFile(path.join(inner, 'notes.txt'), 'nothing to feed');
	const plan = await planInputs([image], { ...defaults, batch: 3, files: [{ input: undefined, path: inner }] });
	const { tensors } = await plan.feeds(0, 1);
	assert.deepEqual(tensors.get('image')?.dims, [3, 3, 2, 2]);
	assert.deepEqual(
		[0, 12, 24].map((at) => Number(tensors.get('image')?.data[at])),
		[1, 9, 10],
	);
	const empty = await mkdtemp(path.join(folder, 'empty-'));
	await assert.rejects(planInputs([image], { ...defaults, files: [{ input: 'image', path: empty }] }), /no file in it/);
});

test('inputs without files follow inputs with files: one symbol, one size', async () => {
	const [file] = await samples(1, [7, 3, 2, 2], 'seven');
	const inputs = [image, { name: 'ids', type: 'int64', shape: ['N', 4] }];
	const plan = await planInputs(inputs, { ...defaults, batch: 2, files: [{ input: 'image', path: file }] });
	const { tensors, fromFiles } = await plan.feeds(0, 1);
	assert.deepEqual([tensors.get('ids')?.dims, fromFiles, plan.guesses], [[7, 4], false, false]);
	const files = await samples(2, [1, 3, 2, 2], 'two');
	const uneven = [
		...files.map((each) => ({ input: 'image', path: each })),
		...(await samples(3, [1, 4], 'ids')).map((each) => ({ input: 'ids', path: each })),
	];
	await assert.rejects(planInputs(inputs, { ...defaults, files: uneven }), /"image" has 2, "ids" has 3/);
});

test('a symbol has one guessed size in all inputs', async () => {
	const shapesOf = async (shapes: readonly (readonly (number | string)[])[], unknownSize = 1) => {
		const inputs = shapes.map((shape, i) => ({ name: `i${i}`, type: 'float32', shape }));
		const { tensors } = await makeFeeds(inputs, { ...defaults, batch: 4, unknownSize });
		return [...tensors.values()].map(({ dims }) => dims);
	};
	// A first place is the batch only if the symbol has no other place.
	assert.deepEqual(
		await shapesOf([
			['B', 4, 'T'],
			['T', 6],
			['B', 'T'],
		]),
		[
			[4, 4, 1],
			[1, 6],
			[4, 1],
		],
	);
	assert.deepEqual(
		await shapesOf([
			['B', 3, 'H', 'W'],
			['W', 'K'],
		]),
		[
			[4, 3, 64, 64],
			[64, 1],
		],
	);
	// The nodes of a graph stand in front of the first input.
	assert.deepEqual(
		await shapesOf(
			[
				['N', 3],
				['N', 'N'],
			],
			64,
		),
		[
			[4, 3],
			[4, 4],
		],
	);
	// The same name for all open sizes says nothing.
	assert.deepEqual(await shapesOf([['?', 3, '?', '?']]), [[4, 3, 64, 64]]);
	const square = { name: 'x', type: 'float32', shape: ['B', 3, 'S', 'S'] };
	const { summary } = await makeFeeds([square], { ...defaults, unknownSize: 1 });
	assert.equal(summary[0]?.from, 'random normal, seed 0, guessed S = 64');
});

test('sizes follow the request, by symbol or by place, and so does the distribution', async () => {
	const asked = { ...defaults, dimensions: { H: 4, 'image:3': 6 } };
	const plan = await planInputs([image], asked);
	assert.deepEqual([(await plan.feeds(0, 1)).tensors.get('image')?.dims, plan.guesses], [[2, 3, 4, 6], false]);
	await assert.rejects(
		planInputs([image], { ...defaults, dimensions: { height: 4 } }),
		/no open dimension "height"; it leaves open: N, image:0, H, image:2, W, image:3\./,
	);
	const values = async (random: 'normal' | 'uniform') =>
		Array.from(
			(await makeFeeds([image], { ...defaults, unknownSize: 20, random })).tensors.get('image')?.data ?? [],
			Number,
		);
	const uniform = await values('uniform');
	assert.ok(uniform.every((value) => value >= 0 && value < 1) && uniform.some((value) => value > 0.9));
	assert.ok((await values('normal')).some((value) => value < -1));
});

test('dimensions named like properties of every object are open as any other', async () => {
	const odd = { name: 'x', type: 'float32', shape: ['__proto__', 'constructor', 'toString'] };
	const feeds = await makeFeeds([odd], { ...defaults, batch: 2, unknownSize: 3, dimensions: { toString: 5 } });
	assert.deepEqual(feeds.tensors.get('x')?.dims, [2, 3, 5]);
});

test('a size requested by place is the size of its symbol, unless another place asks for its own', async () => {
	const inputs = ['a', 'b', 'c'].map((name) => ({ name, type: 'float32', shape: ['N', 'H'] }));
	const feeds = await makeFeeds(inputs, { ...defaults, batch: 2, unknownSize: 9, dimensions: { 'a:1': 3, 'c:1': 1 } });
	assert.deepEqual(
		[...feeds.tensors.values()].map(({ dims }) => dims),
		[
			[2, 3],
			[2, 3],
			[2, 1],
		],
	);
});
