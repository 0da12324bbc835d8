import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findLayers } from '../../../../src/core/batchnorm/find.js';
import type { ByteSpan } from '../../../../src/core/onnx/model.js';
import { editedBytes, planEdits } from '../../../../src/core/onnx/write/edit.js';
import { planInference } from '../../../../src/core/repair/inference-plan.js';
import type { AttributeSpec, ModelSpec, NodeSpec, TensorSpec } from '../../support/model-builder.js';
import { type OpenModel, open, openBytes } from '../../support/open.js';

async function planOf({ model, source }: OpenModel) {
	const access = { source };
	return planInference({ model, access, layers: await findLayers(model, access) });
}

/** Switches a model to inference, and checks that a second plan finds no more to change. */
async function toInference(spec: ModelSpec) {
	const before = await open(spec);
	const plan = await planOf(before);
	const after = await openBytes(await editedBytes(await planEdits(before.source, plan.edits), before.source));
	const again = await planOf(after);
	assert.deepEqual(again.repaired, []);
	assert.deepEqual(again.unrepaired, plan.unrepaired);
	const modes = (await findLayers(after.model, { source: after.source })).map(({ mode }) => mode);
	return { ...plan, before, after, modes };
}

const parameters: readonly TensorSpec[] = [
	{ name: 'g', values: [1, 2] },
	{ name: 'b', values: [0, 1] },
	{ name: 'm', values: [3, 4] },
	{ name: 'v', values: [5, 6] },
];

const ONE: AttributeSpec = { i: 1 };
const batchNorm = (outputs: readonly string[], attributes: NodeSpec['attributes'] = {}): NodeSpec => ({
	op: 'BatchNormalization',
	name: 'bn',
	inputs: ['x', 'g', 'b', 'm', 'v'],
	outputs,
	attributes: { epsilon: { f: 0.25 }, ...attributes, momentum: { f: 0.5 } },
	doc: 'kept',
});

function layerModel(opset: number, node: NodeSpec, more: readonly NodeSpec[] = []): ModelSpec {
	return {
		opset,
		metadata: { note: 'as it was' },
		graph: {
			nodes: [{ op: 'Relu', inputs: ['a'], outputs: ['x'] }, node, ...more],
			initializers: parameters,
			inputs: [{ name: 'a', shape: [3, 2, 4] }],
			outputs: ['y'],
			valueInfo: [{ name: 'saved', shape: [2] }, 'x'],
		},
	};
}

const bytesAt = ({ bytes }: OpenModel, span: ByteSpan | undefined) =>
	Buffer.from(bytes.subarray(span?.offset ?? 0, (span?.offset ?? 0) + (span?.length ?? 0))).toString('hex');

/** Every initializer, input and node that is not among `changed` has its bytes. */
function assertSameBytes(before: OpenModel, after: OpenModel, changed: readonly string[]): void {
	const parts = (file: OpenModel) => {
		const { nodes, initializers, inputs } = file.model.graph;
		const rest = nodes.filter(({ name }) => !changed.includes(name));
		return [...rest, ...initializers.values(), ...inputs].map(({ span }) => bytesAt(file, span));
	};
	assert.deepEqual(parts(after), parts(before));
	assert.deepEqual([...after.model.metadata], [...before.model.metadata]);
	assert.deepEqual([...after.model.opsetImports], [...before.model.opsetImports]);
}

const STATISTICS = ['y', 'mean', 'var'];
for (const [name, opset, node] of [
	['opset 1: is_test is 0 by default', 1, batchNorm(['y', 'mean', 'var', 'saved', 'savedVar'])],
	['opset 6: is_test is 0', 6, batchNorm(['y'], { is_test: { i: 0 } })],
	['opset 7: five outputs', 7, batchNorm(['y', 'mean', 'var', 'saved', 'savedVar'])],
	['opset 8: outputs in place', 8, batchNorm(['y', 'm', 'v'])],
	['opset 9: only a later output is named', 9, batchNorm(['y', '', '', 'saved'])],
	['opset 13: three outputs', 13, batchNorm(STATISTICS)],
	['opset 14: training_mode', 14, batchNorm(STATISTICS, { training_mode: ONE })],
	['opset 15: training_mode with a single output', 15, batchNorm(['y'], { training_mode: ONE })],
	['opset 22: training_mode', 22, batchNorm(STATISTICS, { training_mode: ONE })],
] as const) {
	test(`a layer is switched to inference: ${name}`, async () => {
		const { repaired, unrepaired, modes, before, after } = await toInference(layerModel(opset, node));
		assert.deepEqual([repaired.length, unrepaired.length, modes], [1, 0, ['inference']]);
		const [, layer] = after.model.graph.nodes;
		assert.deepEqual(layer.outputs, ['y']);
		assert.deepEqual(layer.inputs, node.inputs);
		assert.equal(layer.attributes.get('epsilon')?.f, 0.25);
		assert.equal(layer.attributes.get('momentum')?.f, 0.5);
		const [attribute, value] = opset >= 14 ? ['training_mode', 0] : ['is_test', opset < 7 ? 1 : undefined];
		assert.equal(layer.attributes.get(attribute)?.i, value);
		assert.equal([...layer.attributes].length, opset >= 14 || opset < 7 ? 3 : 2);
		assertSameBytes(before, after, ['bn']);
		assert.equal(after.model.graph.valueInfo.has('saved'), !node.outputs?.includes('saved'));
	});
}

test('statistics that are outputs of the model are outputs no more', async () => {
	const spec = layerModel(15, batchNorm(STATISTICS, { training_mode: ONE }));
	const { after } = await toInference({ ...spec, graph: { ...spec.graph, outputs: ['mean', 'y', 'var'] } });
	assert.deepEqual(
		after.model.graph.outputs.map(({ name }) => name),
		['y'],
	);
});

test('a layer whose statistics another node reads stays', async () => {
	const reader: NodeSpec = { op: 'Identity', inputs: ['mean'], outputs: ['z'] };
	const { repaired, unrepaired, modes } = await toInference(layerModel(13, batchNorm(STATISTICS), [reader]));
	assert.deepEqual([repaired, modes], [[], ['training']]);
	assert.match(unrepaired[0].reason, /its statistics "mean" are used elsewhere/);
});

test('a model in inference mode needs no edit', async () => {
	for (const [opset, node] of [
		[6, batchNorm(['y'], { is_test: ONE })],
		[9, batchNorm(['y'])],
		[15, batchNorm(['y'], { training_mode: { i: 0 } })],
	] as const) {
		const { repaired, edits, examined } = await toInference(layerModel(opset, node));
		assert.deepEqual([repaired, edits, examined], [[], [], 1]);
	}
});

test('an instance normalization between two Reshapes stays in training mode', async () => {
	const shapes: TensorSpec[] = [
		{ name: 'flat', dtype: 'int64', values: [1n, 2n, -1n] },
		{ name: 'back', dtype: 'int64', values: [2n, 1n, -1n] },
	];
	const model = (first: bigint): ModelSpec => ({
		opset: 15,
		graph: {
			nodes: [
				{ op: 'Reshape', inputs: ['a', 'flat'], outputs: ['x'] },
				batchNorm(['h'], { training_mode: ONE }),
				{ op: 'Reshape', inputs: ['h', 'back'], outputs: ['y'] },
			],
			initializers: [...parameters, { ...shapes[0], values: [first, 2n, -1n] }, shapes[1]],
			inputs: [{ name: 'a', shape: [2, 1, 4] }],
			outputs: ['y'],
		},
	});
	assert.deepEqual((await toInference(model(1n))).modes, ['training']);
	assert.deepEqual((await toInference(model(2n))).modes, ['inference']);
});

const YES: TensorSpec = { name: 'on', dtype: 'bool', dims: [], values: [1] };
const RATIO: TensorSpec = { name: 'ratio', dims: [], values: [0.5] };
const dropout = (inputs: readonly string[], attributes?: NodeSpec['attributes']): NodeSpec => ({
	op: 'Dropout',
	name: 'drop',
	inputs,
	outputs: ['y'],
	...(attributes && { attributes }),
});
const dropoutModel = (opset: number, nodes: readonly NodeSpec[], more: readonly TensorSpec[] = []): ModelSpec => ({
	opset,
	graph: { nodes, initializers: [RATIO, ...more], inputs: [{ name: 'x', shape: [4] }], outputs: ['y'] },
});

test('a Dropout left on loses its training_mode input with the constant behind it', async () => {
	const constant: NodeSpec = { op: 'Constant', outputs: ['on'], attributes: { value: { t: { ...YES, name: '' } } } };
	for (const spec of [
		dropoutModel(13, [dropout(['x', 'ratio', 'on'], { seed: { i: 7 } })], [YES]),
		dropoutModel(12, [constant, dropout(['x', 'ratio', 'on'], { seed: { i: 7 } })]),
		dropoutModel(13, [dropout(['x', '', 'on'], { seed: { i: 7 } })], [YES]),
	]) {
		const { repaired, after } = await toInference(spec);
		assert.deepEqual(
			repaired.map(({ name, op }) => [name, op]),
			[['drop', 'Dropout']],
		);
		const { nodes, initializers } = after.model.graph;
		assert.deepEqual([nodes.map(({ opType }) => opType), [...initializers.keys()]], [['Dropout'], ['ratio']]);
		assert.deepEqual([nodes[0].inputs.length, nodes[0].attributes.get('seed')?.i], [2, 7]);
	}
});

test('a constant that a second Dropout reads goes with the last of them', async () => {
	const two = [dropout(['x', 'ratio', 'on']), { ...dropout(['y', 'ratio', 'on']), name: 'second', outputs: ['z'] }];
	const { repaired, after } = await toInference(dropoutModel(13, two, [YES]));
	assert.equal(repaired.length, 2);
	assert.deepEqual([...after.model.graph.initializers.keys()], ['ratio']);
});

test('a Dropout before opset 7 is switched by is_test', async () => {
	for (const opset of [1, 6]) {
		const { repaired, after } = await toInference(dropoutModel(opset, [dropout(['x'])]));
		assert.equal(repaired.length, 1);
		assert.equal(after.model.graph.nodes[0].attributes.get('is_test')?.i, 1);
	}
});

test('a node whose is_test holds a graph stays, with the layers in the graph switched', async () => {
	const layer = { ...batchNorm(STATISTICS), inputs: ['x', 'g', 'b', 'm', 'v'] };
	const body = { g: { nodes: [{ ...layer, name: 'inner', outputs: ['t'] }], outputs: ['t'] } };
	const dropout = { op: 'Dropout', name: 'drop', inputs: ['y'], outputs: ['z'], attributes: { is_test: body } };
	const nodes = [{ ...layer, outputs: ['y'], attributes: { is_test: body } }, dropout];
	const graph = { nodes, initializers: parameters, inputs: [{ name: 'x', shape: [3, 2, 4] }], outputs: ['z'] };
	const { repaired, unrepaired } = await toInference({ opset: 6, graph });
	assert.equal(repaired.length, 2);
	for (const { reason } of unrepaired) {
		assert.equal(reason, 'its attribute is_test holds a graph instead of an integer');
	}
	assert.equal(unrepaired.length, 2);
});

test('a Dropout that is off, or that the caller switches, stays', async () => {
	const off: TensorSpec = { ...YES, values: [0] };
	for (const [opset, inputs, initializers] of [
		[13, ['x', 'ratio', 'on'], [off]],
		[13, ['x', 'ratio'], []],
		[7, ['x'], []],
	] as const) {
		const { repaired, unrepaired } = await toInference(dropoutModel(opset, [dropout(inputs)], initializers));
		assert.deepEqual([repaired, unrepaired], [[], []]);
	}
	const spec = dropoutModel(13, [dropout(['x', 'ratio', 'training'])]);
	const inputs = [
		{ name: 'x', shape: [4] },
		{ name: 'training', dtype: 'bool' as const, shape: [] },
	];
	const { unrepaired } = await toInference({ ...spec, graph: { ...spec.graph, inputs } });
	assert.equal(unrepaired[0].reason, 'the input "training" switches it on and off: feed false to switch it off');
	const computed: NodeSpec = { op: 'Not', inputs: ['training'], outputs: ['off'] };
	const graph = { ...spec.graph, inputs, nodes: [computed, dropout(['x', 'ratio', 'off'])] };
	const { unrepaired: other } = await toInference({ ...spec, graph });
	assert.equal(other[0].reason, 'its training mode is computed at run time, from "off"');
});

test('a layer whose mode is an attribute of its function is switched if any call is in training mode', async () => {
	for (const modes of [
		[0, 1],
		[1, 0],
		[0, 0],
	]) {
		const inner: NodeSpec = {
			...batchNorm(['out'], { training_mode: { ref: 'mode', type: 2 } }),
			inputs: ['x', 'g', 'b', 'm', 'v'],
		};
		const call = (mode: number, input: string, output: string): NodeSpec => ({
			op: 'Block',
			domain: 'own',
			inputs: [input, 'g', 'b', 'm', 'v'],
			outputs: [output],
			attributes: { mode: { i: mode } },
		});
		const block = { name: 'Block', domain: 'own', inputs: ['x', 'g', 'b', 'm', 'v'], outputs: ['out'], nodes: [inner] };
		const { repaired, modes: after } = await toInference({
			opset: 15,
			opsets: { own: 1 },
			functions: [{ ...block, attributes: ['mode'], opsets: { '': 15 } }],
			graph: {
				nodes: [call(modes[0], 'a', 'h'), call(modes[1], 'h', 'y')],
				initializers: parameters,
				inputs: [{ name: 'a', shape: [3, 2, 4] }],
				outputs: ['y'],
			},
		});
		assert.equal(repaired.length, modes.includes(1) ? 1 : 0);
		assert.deepEqual(after, ['inference', 'inference']);
	}
});

test('layers in a body and in a function are switched, the function once for all calls', async () => {
	const layer = { ...batchNorm(STATISTICS, { training_mode: ONE }), inputs: ['x', 'g', 'b', 'm', 'v'] };
	const call = (input: string, output: string): NodeSpec => ({
		op: 'Block',
		domain: 'own',
		inputs: [input, 'g', 'b', 'm', 'v'],
		outputs: [output],
	});
	const spec: ModelSpec = {
		opset: 15,
		opsets: { own: 1 },
		functions: [
			{
				name: 'Block',
				domain: 'own',
				inputs: ['x', 'g', 'b', 'm', 'v'],
				outputs: ['out'],
				nodes: [{ ...layer, name: 'inner', outputs: ['out', 'mean', 'var'], attributes: { training_mode: ONE } }],
				opsets: { '': 15 },
			},
		],
		graph: {
			nodes: [
				call('a', 'h'),
				call('h', 'x'),
				{
					op: 'If',
					inputs: ['condition'],
					outputs: ['y'],
					attributes: {
						then_branch: { g: { nodes: [{ ...layer, outputs: ['t', 'mean', 'var'] }], outputs: ['t'] } },
						else_branch: { g: { nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['e'] }], outputs: ['e'] } },
					},
				},
			],
			initializers: parameters,
			inputs: [
				{ name: 'a', shape: [3, 2, 4] },
				{ name: 'condition', dtype: 'bool', shape: [] },
			],
			outputs: ['y'],
		},
	};
	const { repaired, modes, examined } = await toInference(spec);
	assert.deepEqual([repaired.length, examined, modes], [2, 2, ['inference', 'inference', 'inference']]);
});

test('an output that several nodes write is removed once', async () => {
	const node = batchNorm(STATISTICS, { training_mode: ONE });
	const spec = layerModel(15, node, [{ ...node, name: 'again' }]);
	const graph = { ...spec.graph, outputs: ['y', 'mean'] };
	const { repaired, after } = await toInference({ ...spec, graph });
	assert.equal(repaired.length, 2);
	assert.deepEqual(
		after.model.graph.outputs.map(({ name }) => name),
		['y'],
	);
});
