import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OnnxErrorCode } from '../../../../../src/core/onnx/errors.js';
import { readModel } from '../../../../../src/core/onnx/read/reader.js';
import { memorySource } from '../../../../../src/core/onnx/source.js';
import { readTensor } from '../../../../../src/core/onnx/tensor/tensor.js';
import { buildModel, type GraphSpec } from '../../../support/model-builder.js';
import { openBytes } from '../../../support/open.js';

/** A field with a length-delimited payload, built byte by byte so that it can be wrong. */
function field(number: number, payload: readonly number[], length = payload.length): number[] {
	return [...varint(number * 8 + 2), ...varint(length), ...payload];
}

function varint(value: number): number[] {
	return value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...varint(Math.floor(value / 0x80))];
}

/** ModelProto { ir_version: 8, graph: … } */
function model(graph: readonly number[]): Uint8Array {
	return Uint8Array.from([0x08, 8, ...field(7, graph)]);
}

const TEN_BYTES = [...Array<number>(10).fill(0xff), 0x01];
const LONGEST_LENGTH = varint(2 ** 62);

interface Case {
	readonly what: string;
	readonly bytes: Uint8Array;
	readonly code: OnnxErrorCode;
	readonly message: RegExp;
	readonly offset?: number;
}

const CASES: readonly Case[] = [
	{
		what: 'a length beyond the message',
		bytes: model(field(1, field(3, [0x61], 200))),
		code: 'malformed',
		message: /at byte 6, NodeProto\.name takes 200 bytes but the message around it ends at byte 10/,
		offset: 6,
	},
	{
		what: 'a length of 2^62',
		bytes: model([0x2a, ...LONGEST_LENGTH]),
		code: 'malformed',
		message: /GraphProto\.initializer takes 4611686018427388000 bytes/,
	},
	{
		what: 'a file cut short',
		bytes: buildModel({ graph: { nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['y'] }] } }).subarray(0, 12),
		code: 'truncated',
		message: /ModelProto\.graph takes 21 bytes but the file ends at byte 12: it was cut short, copy it again/,
	},
	{
		what: 'a varint longer than 64 bits',
		bytes: model([...field(2, [0x67]), 0x50, ...TEN_BYTES]),
		code: 'malformed',
		message: /the number at byte 8 is longer than 64 bits/,
	},
	{
		what: 'a varint that runs out of its message',
		bytes: Uint8Array.from([...model(field(1, [0x28, 0x80])), 0x01]),
		code: 'malformed',
		message: /the number at byte 7 runs out of its message/,
	},
	{
		what: 'a packed list that ends inside a number',
		bytes: model(field(5, field(1, [0x80]))),
		code: 'malformed',
		message: /the number at byte 8 runs out of its message/,
	},
	{
		what: 'a packed list of floats that ends inside a float',
		bytes: model(field(1, field(5, field(7, [0, 0, 0])))),
		code: 'malformed',
		message: /AttributeProto\.floats has the wrong wire type/,
	},
	{
		what: 'a node list that is a number',
		bytes: model([0x08, 1]),
		code: 'malformed',
		message: /GraphProto\.node has the wrong wire type 0/,
	},
	{
		what: 'a number that is a message',
		bytes: model(field(5, field(2, [1]))),
		code: 'malformed',
		message: /TensorProto\.data_type has the wrong wire type 2/,
	},
	{
		what: 'raw data that is a number',
		bytes: model(field(5, [0x48, 5])),
		code: 'malformed',
		message: /TensorProto\.raw_data has the wrong wire type 0/,
	},
	{
		what: 'float data that is a list of varints',
		bytes: model(field(5, [0x20, 5])),
		code: 'malformed',
		message: /TensorProto\.float_data has the wrong wire type 0/,
	},
	{
		what: 'a float that is a double',
		bytes: model(field(1, field(5, [0x11, 0, 0, 0, 0, 0, 0, 0, 0]))),
		code: 'malformed',
		message: /AttributeProto\.f has the wrong wire type 1/,
	},
	{
		what: 'a float cut short',
		bytes: model(field(1, field(5, [0x15, 0, 0]))),
		code: 'malformed',
		message: /AttributeProto\.f takes 4 bytes/,
	},
	{ what: 'a group', bytes: model([0x0b]), code: 'malformed', message: /GraphProto\.node has the wrong wire type 3/ },
	{ what: 'field number 0', bytes: model([0x02, 0]), code: 'malformed', message: /there is no field with tag 2/ },
	{
		what: 'a field number beyond 2^29',
		bytes: model([...varint(2 ** 32 + 8), 0]),
		code: 'malformed',
		message: /there is no field with tag 4294967304/,
	},
];

for (const { what, bytes, code, message, offset } of CASES) {
	test(`${what} is refused`, async () => {
		await assert.rejects(openBytes(bytes), (error: Error & { code?: string; offset?: number }) => {
			assert.equal(error.name, 'OnnxError', error.stack);
			assert.equal(error.code, code, error.message);
			assert.match(error.message, message);
			assert.match(error.message, /^model\.onnx cannot be read: at byte \d+, [^\n]+\.$/);
			assert.ok(offset === undefined || error.offset === offset, `offset ${error.offset}`);
			return true;
		});
	});
}

async function exceeds(graph: GraphSpec, limits: object, message: RegExp): Promise<void> {
	const source = memorySource(buildModel({ graph }), 'model.onnx');
	await assert.rejects(readModel(source, limits), { name: 'OnnxError', code: 'limit', message });
}

test('every limit is named with the value and the bound', async () => {
	const nodes = [
		{ op: 'Relu' },
		{ op: 'Relu' },
		{ op: 'If', attributes: { then_branch: { g: { nodes: [{ op: 'Relu' }] } } } },
	];
	await exceeds({ nodes }, { nodes: 3 }, /the number of nodes is 4, more than the limit of 3 \(nodes\)/);
	await exceeds({ nodes }, { records: 5 }, /the number of records is 6, more than the limit of 5 \(records\)/);
	await exceeds({ name: 'long' }, { nameBytes: 3 }, /the length of GraphProto\.name is 4, more than the limit of 3/);
	const initializers = [{ name: 'w', dims: [1, 1, 1], values: [1] }];
	await exceeds({ initializers }, { rank: 2 }, /the number of dimensions of a tensor is 3/);
	await exceeds({ inputs: [{ name: 'x', shape: [1, 1, 1] }] }, { rank: 2 }, /dimensions of a declared shape is 3/);
	await exceeds({ initializers }, { valueBytes: 2 }, /the length of TensorProto\.dims is 3, more than the limit of 2/);
});

test('graphs nested deeper than protobuf allows are refused without a stack overflow', async () => {
	let graph: number[] = [];
	for (let depth = 0; depth < 1000; depth++) {
		graph = field(1, field(5, field(6, graph)));
	}
	await assert.rejects(openBytes(model(graph)), {
		code: 'limit',
		message: /the number of messages inside each other is 101/,
	});
	let shallow: number[] = [];
	for (let depth = 0; depth < 30; depth++) {
		shallow = field(1, field(5, field(6, shallow)));
	}
	assert.equal((await openBytes(model(shallow))).model.graph.nodes.length, 1);
});

test('a file that shrinks while it is open is an error of the source, not of the model', async () => {
	const raw = new Uint8Array(4_000_000);
	const bytes = buildModel({ graph: { initializers: [{ name: 'w', dims: [1_000_000], raw }], outputs: ['y'] } });
	const whole = memorySource(bytes, 'model.onnx');
	const shrunk = memorySource(bytes.subarray(0, 2_000_000), 'model.onnx');
	await assert.rejects(readModel({ ...shrunk, size: whole.size }), { name: 'OnnxError', code: 'io' });
	const record = (await readModel(whole)).graph.initializers.get('w');
	assert.ok(record);
	await assert.rejects(readTensor(record, { source: shrunk }), { name: 'OnnxError', code: 'io' });
});

test('cycles, duplicate names and missing inputs are left to later checks, and the graph is read', async () => {
	const nodes = [
		{ op: 'Relu', name: 'same', inputs: ['b'], outputs: ['a'] },
		{ op: 'Relu', name: 'same', inputs: ['a'], outputs: ['b'] },
		{ op: 'Relu', inputs: ['nowhere'], outputs: ['a'] },
	];
	const { model: cyclic } = await openBytes(buildModel({ graph: { nodes } }));
	assert.deepEqual(
		cyclic.graph.nodes.map(({ inputs }) => inputs[0]),
		['b', 'a', 'nowhere'],
	);
});
