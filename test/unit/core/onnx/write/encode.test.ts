import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Attribute } from '../../../../../src/core/onnx/model.js';
import { readTensorProto } from '../../../../../src/core/onnx/read/reader.js';
import { memorySource } from '../../../../../src/core/onnx/source.js';
import { readTensor } from '../../../../../src/core/onnx/tensor/tensor.js';
import { editedBytes, planEdits, replaceMessage } from '../../../../../src/core/onnx/write/edit.js';
import {
	encodeNode,
	encodeTensor,
	encodeValueInfo,
	type MessageBytes,
	rewriteNode,
} from '../../../../../src/core/onnx/write/encode.js';
import { encodeAttribute } from '../../../../../src/core/onnx/write/encode-attribute.js';
import { encodeElements } from '../../../../../src/core/onnx/write/encode-elements.js';
import { appendGraphOutputs } from '../../../../../src/core/onnx/write/outputs.js';
import { renameTensors } from '../../../../../src/core/onnx/write/rename.js';
import { bfloat16Bits, float16Bits } from '../../../support/elements.js';
import {
	type AttributeSpec,
	buildModel,
	buildNode,
	buildTensor,
	type GraphSpec,
	type NodeSpec,
} from '../../../support/model-builder.js';
import { openBytes } from '../../../support/open.js';

function join(message: MessageBytes): Uint8Array {
	return Uint8Array.from(message.flatMap((piece) => [...piece]));
}

test('appended outputs become outputs of the main graph, each once', async () => {
	const bytes = buildModel({ graph: { nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['ÿ/0'] }], outputs: ['last'] } });
	const { model } = await openBytes(bytes);
	const added = appendGraphOutputs(['ÿ/0', 'last', 'x', 'x', ''], model.graph.outputs);
	const names = (await openBytes(Uint8Array.of(...bytes, ...added))).model.graph.outputs.map(({ name }) => name);
	assert.deepEqual(names, ['last', 'ÿ/0', 'x']);
	assert.ok(added.length < 20, `${added.length} bytes`);
	assert.equal(appendGraphOutputs([]).length, 0, 'nothing to add adds nothing, not even an empty message');
});

test('an encoded tensor reads back as it was', async () => {
	const raw = { dataType: 10, dims: [2, 1], bytes: Uint8Array.of(0, 0x3c, 0, 0xc0) };
	const bytes = join(encodeTensor('w', raw));
	const source = memorySource(bytes, 'w.pb');
	const record = await readTensorProto(source);
	assert.equal(record.name, 'w');
	const tensor = await readTensor(record, { source });
	assert.deepEqual([tensor.dataType, tensor.dims, Array.from(tensor.data)], [10, [2, 1], [1, -2]]);
});

test('test data (.pb) is read in every storage form', async () => {
	const source = memorySource(buildTensor({ dtype: 'int64', values: [1n, -2n], form: 'unpacked' }), 'input_0.pb');
	const tensor = await readTensor(await readTensorProto(source), { source });
	assert.deepEqual(Array.from(tensor.data), [1, -2]);
});

test('an encoded declaration reads back as it was', async () => {
	const info = join(encodeValueInfo('x', 1, ['N', 3, undefined]));
	const graph = [0x5a, info.length, ...info];
	const { model } = await openBytes(Uint8Array.of(8, 8, 0x3a, graph.length, ...graph));
	const [x] = model.graph.inputs;
	assert.deepEqual([x?.name, x?.dataType, x?.shape], ['x', 1, ['N', 3, undefined]]);
});

test('a node is encoded as any writer would', () => {
	const node = { name: 'n', inputs: ['a', 'b'], outputs: ['c'] };
	assert.deepEqual(join(encodeNode({ opType: 'Add', ...node })), buildNode({ op: 'Add', ...node }));
	const attributes = { axis: { i: -1 }, perm: { ints: [0, 2, 1], packed: false } };
	const integers = { axis: -1, perm: [0, 2, 1] };
	assert.deepEqual(join(encodeNode({ opType: 'Op', ...node, integers })), buildNode({ op: 'Op', ...node, attributes }));
});

test('rewriting a node changes the named fields and keeps the rest', () => {
	const node: NodeSpec = {
		op: 'Conv',
		name: 'conv',
		inputs: ['x', 'w'],
		outputs: ['y'],
		attributes: { group: { i: 2 }, kernel_shape: { ints: [3, 3] } },
		doc: 'written by hand',
		domain: 'local',
	};
	const unknown = Uint8Array.of(0x7a, 2, 1, 2);
	const message = Uint8Array.of(...buildNode(node), ...unknown);
	assert.deepEqual(
		join(rewriteNode(message, { inputs: ['x', 'w2', 'b'], outputs: ['z'] })),
		Uint8Array.of(...buildNode({ ...node, inputs: ['x', 'w2', 'b'], outputs: ['z'] }), ...unknown),
	);
	assert.deepEqual(join(rewriteNode(message, {})), message);
	assert.throws(() => rewriteNode(Uint8Array.of(0x0a, 9), {}), { code: 'malformed' });
});

test('numbers are rounded once, to nearest even', () => {
	const values = fc.oneof(
		fc.double(),
		fc.double({ min: -70_000, max: 70_000 }),
		fc.double({ min: -1e-4, max: 1e-4 }),
		// Halfway between two float16 values, and a hair beside.
		fc.integer({ min: 1024, max: 2047 }).map((n) => n + 0.5),
		fc.integer({ min: 1024, max: 2047 }).map((n) => (n + 0.5) * (1 + 2 ** -40)),
	);
	fc.assert(
		fc.property(fc.array(values), (numbers) => {
			assert.deepEqual(words(encodeElements(10, numbers)), numbers.map(float16Bits));
			assert.deepEqual(
				words(encodeElements(16, numbers.map(Math.fround))),
				numbers.map((number) => bfloat16Bits(number)),
			);
		}),
		{ numRuns: 500 },
	);
});

function words(bytes: Uint8Array<ArrayBuffer> | undefined): number[] {
	return Array.from(new Uint16Array(bytes?.buffer ?? new ArrayBuffer(0)));
}

test('a double is not rounded to float32 on the way to bfloat16', () => {
	// Just above the middle of 1 and 1 + 2^-7: float32 would make it the middle, and ties-to-even 1.
	const value = 1 + 2 ** -8 + 2 ** -40;
	assert.deepEqual(words(encodeElements(16, [value])), [0x3f81]);
	assert.deepEqual(words(encodeElements(16, [Math.fround(value)])), [0x3f80]);
});

test('float32 and float64 are encoded, integers are not', () => {
	assert.deepEqual(encodeElements(1, [0.1]), new Uint8Array(new Float32Array([0.1]).buffer));
	assert.deepEqual(encodeElements(11, [0.1]), new Uint8Array(new Float64Array([0.1]).buffer));
	assert.equal(encodeElements(8, [1]), undefined);
});

test('renaming tensors of a node changes every use of them and no other name', () => {
	const body = (suffix: string): GraphSpec => ({
		name: 'x',
		inputs: [{ name: `i${suffix}`, shape: ['x'] }],
		initializers: [{ name: `w${suffix}`, values: [1, 2] }],
		sparseInitializers: [
			{ values: { name: `s${suffix}`, values: [1] }, indices: { name: 'x', values: [0] }, dims: [2] },
		],
		nodes: [{ op: 'x', name: 'x', inputs: [`x${suffix}`, ''], outputs: [`o${suffix}`], doc: 'x' }],
		outputs: [`o${suffix}`],
		valueInfo: [{ name: `v${suffix}`, shape: [1] }],
	});
	const node = (suffix: string): NodeSpec => ({
		op: 'x',
		name: 'x',
		domain: 'x',
		inputs: [`a${suffix}`, '', `b${suffix}`],
		outputs: [`c${suffix}`],
		attributes: { x: { g: body(suffix) }, y: { graphs: [body(suffix), body(suffix)] }, z: { strings: ['x'] } },
	});
	const renamed = renameTensors(buildNode(node('')), (name) => (name === '' ? '' : `${name}!`));
	assert.deepEqual(renamed, buildNode(node('!')));
	assert.throws(() => renameTensors(Uint8Array.of(0x0a, 9), (name) => name), { code: 'malformed' });
});

test('an attribute takes the value of another attribute under its own name', async () => {
	const tensor = { dims: [2], values: [1, 2] };
	const values: AttributeSpec[] = [
		{ f: 0.5 },
		{ i: -3 },
		{ s: 'text' },
		{ t: tensor },
		{ floats: [1, 2] },
		{ ints: [1, -2] },
		{ strings: ['a', ''] },
		{ zero: 6 },
	];
	for (const value of values) {
		const bytes = buildModel({ graph: { nodes: [{ op: 'Op', attributes: { old: value, other: { i: 1 } } }] } });
		const { model } = await openBytes(bytes);
		const [node] = model.graph.nodes;
		const old = node.attributes.get('old') ?? { name: '' };
		const message = encodeAttribute('new', old, buildTensor(tensor)) ?? new Uint8Array();
		const { offset, length } = node.span;
		const changed = rewriteNode(bytes.subarray(offset, offset + length), { attributes: [message] });
		const source = memorySource(bytes, 'model.onnx');
		const edited = await editedBytes(await planEdits(source, [replaceMessage(node, changed)]), source);
		const { attributes } = (await openBytes(edited)).model.graph.nodes[0];
		assert.deepEqual([...attributes.keys()], ['new']);
		const plain = ({ name: _, t, ...rest }: Attribute = { name: '' }) => ({ ...rest, dims: t?.dims });
		assert.deepEqual(plain(attributes.get('new')), plain(old));
	}
	assert.equal(encodeAttribute('n', { name: 'o', i: 2 ** 60 }), undefined);
	assert.equal(encodeAttribute('n', { name: 'o', omitted: true }), undefined);
});

test('a declaration with a type and sizes beyond what a file can hold can be written', () => {
	const plain = join(encodeValueInfo('x', 0, [undefined]));
	for (const size of [2 ** 63, -(2 ** 63), 2 ** 53, Number.NaN]) {
		assert.deepEqual(join(encodeValueInfo('x', -(2 ** 63), [size])), plain, `${size}`);
	}
	assert.deepEqual(join(encodeValueInfo('x', 2 ** 32 + 1, [4])), join(encodeValueInfo('x', 1, [4])));
});
