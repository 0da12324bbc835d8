import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCheckpoint } from '../../../../../src/core/formats/open.js';
import { locateTensor } from '../../../../../src/core/formats/tensor.js';
import { inflate } from '../../../../../src/platform/inflate.js';
import { buildSafetensors, concat, float32, little, safetensorsOf } from '../../../support/checkpoint-builder.js';
import {
	checkpointBytes,
	checkpointError,
	exportedLayers,
	layerValues,
	openBytes,
	truthOf,
	values,
} from '../../../support/checkpoints.js';
import { countingSource } from '../../../support/counting-source.js';

for (const name of ['conv1d', 'mlp', 'preact']) {
	test(`${name}.safetensors has the layers that PyTorch exported, in order, bit for bit`, async () => {
		const { layers, format, order, notes } = await openBytes(checkpointBytes(`${name}.safetensors`));
		assert.equal(format, 'safetensors');
		assert.equal(order, 'names');
		assert.equal(notes.length, 3);
		assert.deepEqual(
			layers.map((layer) => layer.name),
			truthOf(name).layers,
		);
		const exported = await exportedLayers(name);
		for (const [index, layer] of layers.entries()) {
			assert.deepEqual(await layerValues(layer), exported[index]);
			assert.equal(layer.epsilon, undefined);
		}
	});
}

test('a header reads no tensor, however large the file is', async () => {
	const name = 'bn.running_mean';
	const size = 1 << 20;
	const header = JSON.stringify({ [name]: { dtype: 'F32', shape: [size / 4], data_offsets: [0, size] } });
	const source = countingSource(buildSafetensors({ header, data: new Uint8Array(size) }));
	const { tensors } = await openCheckpoint(source, { inflate });
	assert.ok(source.bytesRead < 1000, `${source.bytesRead} bytes`);
	const [tensor] = tensors;
	assert.ok(tensor);
	assert.deepEqual(await locateTensor(tensor), { offset: 8 + header.length, length: size });
	await values(tensor);
	assert.equal(source.reads.at(-1)?.length, size);
});

test('element types are read by name, and an unknown type makes only its tensor unreadable', async () => {
	const header = {
		__metadata__: { format: 'pt', 'esc"aped': 'a\nb' },
		half: { dtype: 'F16', shape: [2], data_offsets: [0, 4] },
		brain: { dtype: 'BF16', shape: [2], data_offsets: [4, 8] },
		long: { dtype: 'I64', shape: [], data_offsets: [8, 16] },
		six: { dtype: 'F6_E2M3', shape: [4], data_offsets: [16, 19] },
		none: { dtype: 'F32', shape: [0, 3], data_offsets: [19, 19] },
	};
	const data = concat([0x00, 0x3c, 0x00, 0xc0], [0x80, 0x3f, 0x00, 0xc0], little(7, 8), [1, 2, 3]);
	const checkpoint = await openBytes(buildSafetensors({ header: ` ${JSON.stringify(header, null, 2)}  `, data }));
	const read = Object.fromEntries(
		await Promise.all(checkpoint.tensors.map(async (tensor) => [tensor.name, await values(tensor)])),
	);
	assert.deepEqual(read, { half: [1, -2], brain: [1, -2], long: [7], none: [] });
	assert.deepEqual(
		checkpoint.unreadable.map(({ name }) => name),
		['six'],
	);
	assert.deepEqual(
		[...checkpoint.metadata],
		[
			['format', 'pt'],
			['esc"aped', 'a\nb'],
		],
	);
});

test('names that are not sorted keep their order', async () => {
	const mean = [0, 0];
	const tensors = { 'z.weight': [1, 1], 'b.running_mean': mean, 'b.running_var': mean, 'a.running_mean': mean };
	const { order, layers } = await openBytes(
		safetensorsOf({ ...tensors, 'a.running_var': mean }, { 'z.weight': [2, 1] }),
	);
	assert.equal(order, 'definition');
	assert.deepEqual(
		layers.map(({ name, front }) => [name, front.map(({ weight }) => weight.name)]),
		[
			['b', ['z.weight']],
			['a', ['z.weight']],
		],
	);
});

const BROKEN: readonly [string, Uint8Array, string, RegExp][] = [
	[
		'a header longer than the file',
		buildSafetensors({ header: '{"a":1}', length: 500 }),
		'truncated',
		/ends at byte 15/,
	],
	['a header of 2^63 bytes', concat(little(2n ** 40n - 1n, 8), '{"a":{}}'), 'limit', /headerBytes/],
	['an overlap', broken({ a: [0, 4], b: [2, 6] }), 'malformed', /"a" and "b" .* overlap at byte 2/],
	['data beyond the end', broken({ a: [4, 8], b: [8, 12] }, 11), 'truncated', /tensor "b"/],
	['an end before the beginning', broken({ a: [8, 4] }), 'malformed', /ends before it begins/],
	['a lying shape', broken({ a: [0, 8] }), 'bad-tensor', /8 bytes where float32 of shape \[1\] takes 4/],
	['a repeated name', duplicate(), 'malformed', /"a" occurs twice/],
	['no tensor', buildSafetensors({ header: '{}' }), 'no-tensors', /without a tensor/],
	['a negative offset', text('{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}'), 'malformed', /whole number/],
	['a fraction', text('{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}'), 'malformed', /"]" is missing/],
	[
		'a huge number',
		text('{"a":{"dtype":"F32","shape":[99999999999999999],"data_offsets":[0,4]}}'),
		'malformed',
		/2\^53/,
	],
	[
		'an overflowing shape',
		text('{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}'),
		'bad-tensor',
		/takes/,
	],
	['a nested value', text(`{"a":${'['.repeat(1000)}`), 'malformed', /"{" is missing/],
	[
		'many dimensions',
		text(`{"a":{"dtype":"F32","shape":[${'1,'.repeat(99)}1],"data_offsets":[0,4]}}`),
		'malformed',
		/64/,
	],
	['a text behind it', text('{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}} x'), 'malformed', /follows/],
	['a bad escape', text('{"\\q":{}}'), 'malformed', /escape/],
	['an open text', text('{"abc'), 'malformed', /is missing/],
	['an unknown key', text('{"a":{"shape":[],"x":1}}'), 'malformed', /unknown key "x"/],
	['a missing key', text('{"a":{"dtype":"F32","shape":[]}}'), 'malformed', /lacks/],
];

for (const [title, bytes, code, message] of BROKEN) {
	test(`safetensors: ${title} ends in one sentence`, () =>
		assert.rejects(openBytes(bytes), checkpointError(code, message)));
}

test('limits of tensors and names are named', async () => {
	const bytes = safetensorsOf({ one: [1], two: [2] });
	await assert.rejects(openBytes(bytes, { tensors: 1 }), checkpointError('limit', /tensors/));
	const metadata = text('{"__metadata__":{"a":"","b":"","c":""}}');
	await assert.rejects(openBytes(metadata, { tensors: 2 }), checkpointError('limit', /tensors/));
	await assert.rejects(openBytes(bytes, { nameBytes: 2 }), checkpointError('limit', /nameBytes/));
});

/** Tensors of one float32 each at the given ranges. */
function broken(ranges: Readonly<Record<string, readonly number[]>>, bytes = 64): Uint8Array {
	const entries = Object.entries(ranges).map(([name, range]) => [
		name,
		{ dtype: 'F32', shape: [1], data_offsets: range },
	]);
	return buildSafetensors({ header: JSON.stringify(Object.fromEntries(entries)), data: new Uint8Array(bytes) });
}

function duplicate(): Uint8Array {
	const entry = '"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}';
	return buildSafetensors({ header: `{${entry},${entry}}`, data: float32(1) });
}

function text(header: string): Uint8Array {
	return buildSafetensors({ header, data: float32(1) });
}
