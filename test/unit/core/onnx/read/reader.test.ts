import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Attribute, Graph } from '../../../../../src/core/onnx/model.js';
import { readModel } from '../../../../../src/core/onnx/read/reader.js';
import { memorySource } from '../../../../../src/core/onnx/source.js';
import { type AttributeSpec, buildModel, type NodeSpec } from '../../../support/model-builder.js';
import { open, openBytes, openGraph } from '../../../support/open.js';

const BATCH_NORM: NodeSpec = {
	op: 'BatchNormalization',
	name: 'bn1',
	inputs: ['x', 'gamma', 'beta', 'mean', 'var'],
	outputs: ['y'],
	attributes: { epsilon: { f: 0.001 }, training_mode: { i: 1 } },
	doc: 'File "model.py", line 3',
};

test('a model has versions, producer, operator sets and metadata', async () => {
	const { model, bytes } = await open({
		irVersion: 9,
		opset: 15,
		opsets: { 'com.microsoft': 1, 'ai.onnx.ml': 3 },
		producer: 'pytorch',
		producerVersion: '2.4',
		metadata: { author: 'someone', classes: '["cat", "dög"]' },
		graph: { name: 'main', nodes: [BATCH_NORM] },
	});
	assert.equal(model.bytes, bytes.length);
	assert.equal(model.irVersion, 9);
	assert.deepEqual([model.producerName, model.producerVersion], ['pytorch', '2.4']);
	assert.deepEqual(
		[...model.opsetImports],
		[
			['', 15],
			['com.microsoft', 1],
			['ai.onnx.ml', 3],
		],
	);
	assert.deepEqual(
		[...model.metadata],
		[
			['author', 'someone'],
			['classes', '["cat", "dög"]'],
		],
	);
	assert.equal(model.graph.name, 'main');
	assert.deepEqual(model.warnings, []);
});

test('a node keeps names, empty inputs and attributes, and its place in the file', async () => {
	const { model, bytes } = await openGraph({
		nodes: [BATCH_NORM, { op: 'Clip', domain: 'ai.onnx', overload: 'v2', inputs: ['y', '', 'max'], outputs: ['z'] }],
	});
	const [bn, clip] = model.graph.nodes;
	assert.ok(bn && clip);
	assert.equal(bn.name, 'bn1');
	assert.deepEqual(bn.inputs, ['x', 'gamma', 'beta', 'mean', 'var']);
	assert.equal(bn.attributes.get('epsilon')?.f, Math.fround(0.001));
	assert.equal(bn.attributes.get('training_mode')?.i, 1);
	assert.deepEqual([clip.index, clip.domain, clip.overload, clip.inputs], [1, '', 'v2', ['y', '', 'max']]);
	assert.equal(clip.attributes.size, 0);
	const slice = bytes.subarray(clip.span.offset, clip.span.offset + clip.span.length);
	assert.deepEqual(slice.subarray(0, 3), Uint8Array.of(0x0a, 1, 'y'.charCodeAt(0)));
	assert.equal(String.fromCharCode(...slice.subarray(-2)), 'v2');
});

test('an attribute is read in every form', async () => {
	const attributes: Record<string, AttributeSpec> = {
		i: { i: -7n },
		large: { i: 2n ** 62n },
		s: { s: 'NOTSET' },
		floats: { floats: [1.5, -2] },
		loose: { floats: [0.5, 4], packed: false },
		ints: { ints: [1, -1, 2n ** 40n] },
		looseInts: { ints: [3, -3], packed: false },
		strings: { strings: ['a', 'b'] },
		t: { t: { dims: [2], values: [1, 2] } },
		tensors: {
			tensors: [
				{ name: 'first', values: [1] },
				{ name: 'second', values: [] },
			],
		},
		ref: { ref: 'alpha', type: 1 },
		sparse: { sparse: { values: { values: [1] }, indices: { dtype: 'int64', values: [3] }, dims: [9] } },
	};
	const { model } = await openGraph({ nodes: [{ op: 'Any', attributes }] });
	const read = (name: string): Attribute | undefined => model.graph.nodes[0]?.attributes.get(name);
	assert.equal(read('i')?.i, -7);
	assert.equal(read('large')?.i, 2 ** 62);
	assert.equal(new TextDecoder().decode(read('s')?.s), 'NOTSET');
	assert.deepEqual(read('floats')?.floats, [1.5, -2]);
	assert.deepEqual(read('loose')?.floats, [0.5, 4]);
	assert.deepEqual(read('ints')?.ints, [1, -1, 2 ** 40]);
	assert.deepEqual(read('looseInts')?.ints, [3, -3]);
	assert.deepEqual(
		read('strings')?.strings?.map((text) => new TextDecoder().decode(text)),
		['a', 'b'],
	);
	assert.deepEqual(read('t')?.t?.dims, [2]);
	assert.deepEqual(
		read('tensors')?.tensors?.map(({ name }) => name),
		['first', 'second'],
	);
	assert.equal(read('ref')?.refAttrName, 'alpha');
	assert.equal(read('ref')?.f, undefined, 'a reference has no value of its own');
	const { dims, storage } = read('sparse')?.sparse ?? {};
	assert.deepEqual([dims, storage?.kind], [[9], 'sparse']);
});

test('a value that a proto3 writer left out is the zero of its type', async () => {
	const zeros = { f: 1, i: 2, s: 3, floats: 6, ints: 7, strings: 8 };
	const attributes = Object.fromEntries(Object.entries(zeros).map(([key, zero]) => [key, { zero }]));
	const { model } = await openGraph({ nodes: [{ op: 'Any', attributes }] });
	const values = Object.keys(zeros).map((key) => model.graph.nodes[0]?.attributes.get(key)?.[key as 'f']);
	assert.deepEqual(values, [0, 0, new Uint8Array(0), [], [], []]);
});

test('values declare type and shape: numbers, symbols, unknown and -1', async () => {
	const { model } = await openGraph({
		inputs: [{ name: 'x', dtype: 'float16', shape: ['batch', 3, null, -1, ''] }, 'untyped'],
		outputs: [{ name: 'scalar', shape: [] }],
		valueInfo: [{ name: 'hidden', dtype: 'int64' }],
	});
	const [x, untyped] = model.graph.inputs;
	assert.deepEqual([x?.dataType, x?.shape], [10, ['batch', 3, undefined, undefined, undefined]]);
	assert.deepEqual([untyped?.dataType, untyped?.shape], [0, undefined]);
	assert.deepEqual(model.graph.outputs[0]?.shape, []);
	assert.deepEqual([model.graph.valueInfo.get('hidden')?.dataType, model.graph.valueInfo.size], [7, 1]);
});

test('initializers are found by name, sparse initializers with the shape of the whole', async () => {
	const { model } = await openGraph({
		initializers: [{ name: 'w', dims: [2, 1], values: [1, 2] }],
		sparseInitializers: [
			{ values: { name: 'rare', values: [1] }, indices: { dtype: 'int64', values: [5] }, dims: [100] },
		],
	});
	const record = model.graph.initializers.get('w');
	assert.deepEqual([record?.dims, record?.dataType, record?.storage.kind], [[2, 1], 1, 'raw']);
	const rare = model.graph.sparseInitializers.get('rare');
	assert.deepEqual([rare?.dims, rare?.dataType, rare?.storage.kind], [[100], 1, 'sparse']);
});

test('of two initializers with one name the later counts, with a warning', async () => {
	const { model } = await openGraph({
		initializers: [
			{ name: 'w', values: [1] },
			{ name: 'w', values: [1, 2] },
		],
	});
	assert.deepEqual(model.graph.initializers.get('w')?.dims, [2]);
	assert.deepEqual(model.warnings, ['Two initializers are named "w": the later one counts, as in the runtime.']);
});

test('subgraphs of any depth are graphs', async () => {
	const branch = {
		name: 'branch',
		nodes: [BATCH_NORM],
		initializers: [{ name: 'gamma', values: [2] }],
		outputs: ['y'],
	};
	const nested: NodeSpec = {
		op: 'If',
		inputs: ['c'],
		attributes: { then_branch: { g: branch }, else_branch: { g: {} } },
	};
	const { model } = await openGraph({
		nodes: [{ op: 'Loop', attributes: { body: { g: { nodes: [nested] } }, all: { graphs: [branch, branch] } } }],
	});
	const loop = model.graph.nodes[0];
	const then: Graph | undefined = loop?.attributes.get('body')?.g?.nodes[0]?.attributes.get('then_branch')?.g;
	assert.deepEqual(
		then?.nodes.map(({ name }) => name),
		['bn1'],
	);
	assert.deepEqual([then?.initializers.has('gamma'), then?.outputs[0]?.name], [true, 'y']);
	assert.equal(loop?.attributes.get('all')?.graphs?.length, 2);
	assert.equal(model.graph.initializers.size, 0, 'an initializer of a branch is not one of the main graph');
});

test('model-local functions keep signature, defaults, body and operator sets', async () => {
	const { model } = await open({
		graph: { nodes: [{ op: 'Block', domain: 'local' }] },
		functions: [
			{
				name: 'Block',
				domain: 'local',
				overload: 'a',
				inputs: ['x', 'w'],
				outputs: ['y'],
				attributes: ['alpha'],
				attributeDefaults: { epsilon: { f: 0.5 } },
				nodes: [BATCH_NORM],
				opsets: { '': 14, local: 1 },
			},
		],
	});
	const [block] = model.functions;
	assert.ok(block);
	assert.deepEqual([block.name, block.domain, block.overload], ['Block', 'local', 'a']);
	assert.deepEqual([block.inputs, block.outputs, block.attributes], [['x', 'w'], ['y'], ['alpha']]);
	assert.equal(block.attributeDefaults.get('epsilon')?.f, 0.5);
	assert.equal(block.nodes[0]?.opType, 'BatchNormalization');
	assert.deepEqual(
		[...block.opsetImports],
		[
			['', 14],
			['local', 1],
		],
	);
});

test('a graph in pieces is the same graph', async () => {
	const spec = {
		graph: {
			name: 'split',
			nodes: [BATCH_NORM, { op: 'Relu', inputs: ['y'], outputs: ['z'] }],
			initializers: [{ name: 'gamma', values: [1] }],
			inputs: ['x'],
			outputs: ['z'],
		},
	};
	const whole = await open(spec);
	const split = await open({ ...spec, graphPieces: 4 });
	assert.equal(split.model.graph.spans?.length, 4);
	const names = ({ model: { graph } }: typeof whole) => [
		graph.name,
		graph.nodes.map(({ opType, index }) => [opType, index]),
		[...graph.initializers.keys()],
		graph.outputs.map(({ name }) => name),
	];
	assert.deepEqual(names(split), names(whole));
});

test('a single message that comes twice is merged, not replaced', async () => {
	// Attribute "value" with two pieces of a TensorProto: dims [2] and type first, name and raw_data second.
	const first = [0x08, 0x02, 0x10, 0x01];
	const second = [0x42, 0x01, 0x74, 0x4a, 0x08, 0, 0, 0x80, 0x3f, 0, 0, 0, 0x40];
	const attribute = [0x0a, 1, 0x76, 0x2a, first.length, ...first, 0x2a, second.length, ...second];
	const node = [0x22, 1, 0x43, 0x2a, attribute.length, ...attribute];
	const graph = [0x0a, node.length, ...node];
	const { model } = await openBytes(Uint8Array.from([0x08, 8, 0x3a, graph.length, ...graph]));
	const tensor = model.graph.nodes[0]?.attributes.get('v')?.t;
	assert.deepEqual([tensor?.name, tensor?.dims, tensor?.dataType], ['t', [2], 1]);
	assert.deepEqual(tensor?.storage.kind, 'raw');
});

test('the order of fields does not matter', async () => {
	// producer_name after the graph, opset_import before ir_version.
	const { model } = await openBytes(Uint8Array.from([0x42, 2, 0x10, 13, 0x08, 7, 0x3a, 2, 0x12, 0, 0x12, 1, 0x70]));
	assert.deepEqual([model.irVersion, model.opsetImports.get(''), model.producerName], [7, 13, 'p']);
});

test('names that are no UTF-8 stay different names', async () => {
	const bytes = buildModel({ graph: { nodes: [{ op: 'Relu', inputs: ['AB'], outputs: ['AC'] }] } });
	const broken = bytes.map((byte) => (byte === 'A'.charCodeAt(0) ? 0xff : byte));
	const { model } = await openBytes(broken);
	assert.deepEqual(model.graph.nodes[0]?.inputs, ['\udcffB']);
	assert.deepEqual(model.graph.nodes[0]?.outputs, ['\udcffC']);
});

test('before IR version 3 the only operator set is version 1', async () => {
	const { model } = await open({ irVersion: 2, opset: null, graph: { nodes: [BATCH_NORM] } });
	assert.equal(model.opsetImports.get(''), 1);
});

test('a source with views that end at the next read is read correctly', async () => {
	const bytes = buildModel({
		graph: {
			nodes: [BATCH_NORM, { op: 'Constant', attributes: { value_string: { s: 'kept' } } }],
			initializers: [{ name: 'big', raw: new Uint8Array(200_000), dims: [50_000] }],
			outputs: ['y'],
		},
	});
	const inner = memorySource(bytes, 'model.onnx');
	const shared = new Uint8Array(bytes.length);
	const model = await readModel({
		...inner,
		async read(offset, length) {
			shared.fill(0xaa).set(await inner.read(offset, length));
			return shared.subarray(0, length);
		},
	});
	assert.equal(new TextDecoder().decode(model.graph.nodes[1]?.attributes.get('value_string')?.s), 'kept');
	assert.equal(model.graph.outputs[0]?.name, 'y');
});
