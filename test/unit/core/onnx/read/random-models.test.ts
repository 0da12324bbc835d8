import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Attribute, Graph, Node } from '../../../../../src/core/onnx/model.js';
import type { ByteSource } from '../../../../../src/core/onnx/source.js';
import { readTensor } from '../../../../../src/core/onnx/tensor/tensor.js';
import { planEdits, removeMessage, renderEdits } from '../../../../../src/core/onnx/write/edit.js';
import {
	buildModel,
	type GraphSpec,
	type ModelSpec,
	type NodeSpec,
	type TensorSpec,
} from '../../../support/model-builder.js';
import { open } from '../../../support/open.js';

const names = fc.oneof(
	fc.constantFrom('', 'x', 'y', '/layer1/Conv_output_0'),
	fc.string({ unit: 'grapheme', maxLength: 12 }),
);

const tensors: fc.Arbitrary<TensorSpec> = fc.record({
	name: names,
	form: fc.constantFrom('raw', 'packed', 'unpacked', 'chunked'),
	dtype: fc.constantFrom('float32', 'float64', 'int32'),
	values: fc.array(fc.integer({ min: -1000, max: 1000 }), { maxLength: 9 }),
});

const { graph: graphs } = fc.letrec<{
	graph: GraphSpec;
	node: NodeSpec;
	attribute: NonNullable<NodeSpec['attributes']>[string];
}>((tie) => ({
	attribute: fc.oneof(
		{ depthSize: 'small', maxDepth: 3 },
		fc.record({ f: fc.float({ noNaN: true }) }),
		fc.record({ i: fc.maxSafeInteger() }),
		fc.record({ s: names }),
		fc.record({ t: tensors }),
		fc.record({ floats: fc.array(fc.float({ noNaN: true })), packed: fc.boolean() }),
		fc.record({ ints: fc.array(fc.maxSafeInteger()), packed: fc.boolean() }),
		fc.record({ g: tie('graph') }),
		fc.record({ graphs: fc.array(tie('graph'), { maxLength: 2 }) }),
	),
	node: fc.record({
		op: names,
		name: names,
		inputs: fc.array(names, { maxLength: 5 }),
		outputs: fc.array(names, { maxLength: 3 }),
		attributes: fc.dictionary(fc.constantFrom('alpha', 'body', 'then_branch', 'value'), tie('attribute'), {
			maxKeys: 3,
		}),
		doc: fc.constantFrom(undefined, 'a doc string '.repeat(200)),
	}),
	graph: fc.record({
		nodes: fc.array(tie('node'), { maxLength: 4 }),
		initializers: fc.uniqueArray(tensors, { maxLength: 4, selector: ({ name }) => name }),
		outputs: fc.array(names, { maxLength: 3 }),
	}),
}));

const models: fc.Arbitrary<ModelSpec> = fc.record({ graph: graphs, graphPieces: fc.integer({ min: 1, max: 3 }) });

/** Compares what was read with what was written, down to the numbers. */
async function assertGraph(graph: Graph | undefined, spec: GraphSpec, source: ByteSource): Promise<void> {
	assert.ok(graph);
	assert.deepEqual(
		graph.outputs.map(({ name }) => name),
		spec.outputs,
	);
	assert.deepEqual(
		[...graph.initializers.keys()],
		spec.initializers?.map(({ name }) => name),
	);
	for (const tensor of spec.initializers ?? []) {
		await assertTensor(graph.initializers.get(tensor.name ?? ''), tensor, source);
	}
	assert.equal(graph.nodes.length, spec.nodes?.length);
	for (const [index, node] of graph.nodes.entries()) {
		await assertNode(node, spec.nodes?.[index] as NodeSpec, source);
	}
}

async function assertNode(node: Node, spec: NodeSpec, source: ByteSource): Promise<void> {
	const { op, name, inputs, outputs } = spec;
	assert.deepEqual([node.opType, node.name, node.inputs, node.outputs], [op, name, inputs, outputs]);
	assert.deepEqual([...node.attributes.keys()], Object.keys(spec.attributes ?? {}));
	for (const [key, attribute] of Object.entries(spec.attributes ?? {})) {
		await assertAttribute(node.attributes.get(key), attribute, source);
	}
}

async function assertAttribute(
	attribute: Attribute | undefined,
	spec: NonNullable<NodeSpec['attributes']>[string],
	source: ByteSource,
): Promise<void> {
	if ('t' in spec) {
		await assertTensor(attribute?.t, spec.t, source);
	} else if ('g' in spec) {
		await assertGraph(attribute?.g, spec.g, source);
	} else if ('graphs' in spec) {
		for (const [index, graph] of spec.graphs.entries()) {
			await assertGraph(attribute?.graphs?.[index], graph, source);
		}
	} else if ('s' in spec) {
		assert.equal(new TextDecoder('utf-8', { ignoreBOM: true }).decode(attribute?.s), spec.s);
	} else {
		const { f, i, floats, ints } = attribute ?? {};
		const { packed: _, ...value } = { packed: true, ...spec };
		assert.deepEqual(
			{ f, i, floats, ints },
			{ f: undefined, i: undefined, floats: undefined, ints: undefined, ...value },
		);
	}
}

async function assertTensor(record: Attribute['t'], spec: TensorSpec, source: ByteSource): Promise<void> {
	assert.ok(record);
	assert.equal(record.name, spec.name);
	assert.deepEqual(Array.from((await readTensor(record, { source })).data), spec.values);
}

async function write(source: ByteSource, removed: readonly Node[]): Promise<Buffer> {
	const chunks: Uint8Array[] = [];
	for await (const chunk of renderEdits(
		await planEdits(
			source,
			removed.map((node) => removeMessage(node)),
		),
		source,
	)) {
		chunks.push(chunk.slice());
	}
	return Buffer.concat(chunks);
}

test('a random model reads back as it was written', async () => {
	await fc.assert(
		fc.asyncProperty(models, async (spec) => {
			const { model, source } = await open(spec);
			await assertGraph(model.graph, spec.graph, source);
		}),
		{ numRuns: 300 },
	);
});

test('written without an edit it is identical, with a node removed it is the model without that node', async () => {
	await fc.assert(
		fc.asyncProperty(models, fc.nat(), async ({ graph }, choice) => {
			const { model, source, bytes } = await open({ graph });
			assert.equal(Buffer.compare(await write(source, []), bytes), 0);
			const node = model.graph.nodes[choice % Math.max(1, model.graph.nodes.length)];
			if (node) {
				const nodes = graph.nodes?.filter((_, index) => index !== node.index);
				assert.equal(Buffer.compare(await write(source, [node]), buildModel({ graph: { ...graph, nodes } })), 0);
			}
		}),
		{ numRuns: 200 },
	);
});
