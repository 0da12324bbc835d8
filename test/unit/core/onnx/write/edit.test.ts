import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Node } from '../../../../../src/core/onnx/model.js';
import { type ByteSource, memorySource } from '../../../../../src/core/onnx/source.js';
import {
	addToGraph,
	type Edit,
	planEdits,
	removeMessage,
	renderEdits,
	replaceMessage,
} from '../../../../../src/core/onnx/write/edit.js';
import { encodeValueInfo } from '../../../../../src/core/onnx/write/encode.js';
import { countingSource } from '../../../support/counting-source.js';
import {
	buildModel,
	buildNode,
	buildTensor,
	type GraphSpec,
	type ModelSpec,
	type NodeSpec,
} from '../../../support/model-builder.js';
import { type OpenModel, open, openBytes } from '../../../support/open.js';

async function write(source: ByteSource, edits: readonly Edit[]): Promise<Uint8Array> {
	const plan = await planEdits(source, edits);
	const chunks: number[] = [];
	for await (const chunk of renderEdits(plan, source)) {
		chunks.push(...chunk);
	}
	assert.equal(chunks.length, plan.length);
	return Uint8Array.from(chunks);
}

const relu = (index: number): NodeSpec => ({
	op: 'Relu',
	name: `n${index}`,
	inputs: [`v${index}`],
	outputs: [`v${index + 1}`],
});

function chain(length: number): NodeSpec[] {
	return Array.from({ length }, (_, index) => relu(index));
}

function node({ model }: OpenModel, index: number): Node {
	return model.graph.nodes[index] as Node;
}

test('a model without edits is the same file, byte for byte, however odd', async () => {
	const model = buildModel({ graph: { nodes: chain(3) }, graphPieces: 2, metadata: { a: 'b' } });
	// An unknown field, and a length of one byte written in three.
	const odd = Uint8Array.of(...model, 0xfa, 0x3f, 1, 7, 0x12, 0x81, 0x80, 0x00, 0x61);
	assert.deepEqual(await write(memorySource(odd, 'odd.onnx'), []), odd);
});

test('edits equal a serialization of the edited model', async () => {
	const [first, second, third] = chain(3) as [NodeSpec, NodeSpec, NodeSpec];
	const weights = [
		{ name: 'w', values: [1, 2, 3] },
		{ name: 'u', values: [4] },
	];
	const rest = { metadata: { k: 'v' }, producer: 'p' };
	const old = await open({ ...rest, graph: { nodes: [first, second, third], initializers: weights, outputs: ['v3'] } });
	const changed: NodeSpec = { ...second, op: 'Sigmoid', attributes: { long: { s: 'x'.repeat(300) } } };
	const added: NodeSpec = { op: 'Identity', inputs: ['v1'], outputs: ['copy'] };
	const larger = { name: 'w', values: Array<number>(100).fill(9) };
	const result = await write(old.source, [
		removeMessage(node(old, 2)),
		replaceMessage(node(old, 1), [buildNode(changed)]),
		addToGraph(old.model.graph, 'node', [buildNode(added)], node(old, 1)),
		replaceMessage(old.model.graph.initializers.get('w') ?? {}, [buildTensor(larger)]),
		addToGraph(old.model.graph, 'output', encodeValueInfo('copy', 1, [])),
	]);
	const outputs = ['v3', { name: 'copy', shape: [] }];
	const graph = { nodes: [first, added, changed], initializers: [larger, { name: 'u', values: [4] }], outputs };
	assert.deepEqual(result, buildModel({ ...rest, graph }));
});

test('edits reach subgraphs, and change the lengths of all messages around them', async () => {
	const model = (branch: GraphSpec): ModelSpec => ({
		graph: { nodes: [relu(0), { op: 'If', attributes: { then_branch: { g: branch } } }, relu(1)] },
	});
	const old = await open(model({ nodes: chain(2), outputs: ['v2'] }));
	const branch = node(old, 1).attributes.get('then_branch')?.g;
	assert.ok(branch);
	const result = await write(old.source, [
		removeMessage(branch.nodes[0] as Node),
		addToGraph(branch, 'output', [Uint8Array.of(0x0a, 1, 0x7a)]),
		addToGraph(branch, 'initializer', [buildTensor({ name: 'w', values: Array<number>(50).fill(1) })]),
	]);
	const { graph } = (await openBytes(result)).model;
	const edited = graph.nodes[1]?.attributes.get('then_branch')?.g;
	assert.deepEqual(
		edited?.nodes.map(({ name }) => name),
		['n1'],
	);
	assert.deepEqual(
		edited?.outputs.map(({ name }) => name),
		['v2', 'z'],
	);
	assert.deepEqual(edited?.initializers.get('w')?.dims, [50]);
	assert.deepEqual(
		graph.nodes.map(({ opType }) => opType),
		['Relu', 'If', 'Relu'],
	);
});

test('all nodes can go, and a graph in pieces gets additions in its last piece', async () => {
	const old = await open({ graph: { nodes: chain(4), outputs: ['v4'] }, graphPieces: 3 });
	const edits = [
		...old.model.graph.nodes.map((each) => removeMessage(each)),
		addToGraph(old.model.graph, 'node', [buildNode(relu(7))]),
	];
	const { graph } = (await openBytes(await write(old.source, edits))).model;
	assert.deepEqual([graph.nodes.map(({ name }) => name), graph.outputs.length, graph.spans?.length], [['n7'], 1, 3]);
});

test('any choice of removed nodes leaves the other nodes unchanged', async () => {
	const specs = chain(12);
	const old = await open({ graph: { nodes: specs } });
	await fc.assert(
		fc.asyncProperty(fc.subarray(specs), async (kept) => {
			const removed = old.model.graph.nodes.filter((_, index) => !kept.includes(specs[index] as NodeSpec));
			const result = await write(
				old.source,
				removed.map((each) => removeMessage(each)),
			);
			assert.deepEqual(result, buildModel({ graph: { nodes: kept } }));
		}),
	);
});

test('planning reads no tensor data, and rendering copies in bounded chunks', async () => {
	const raw = new Uint8Array(6_000_000).fill(7);
	const bytes = buildModel({ graph: { nodes: chain(2), initializers: [{ name: 'w', dims: [1_500_000], raw }] } });
	const { model } = await openBytes(bytes);
	const source = countingSource(bytes);
	const plan = await planEdits(source, [removeMessage(model.graph.nodes[1] ?? {})]);
	assert.ok(source.bytesRead < 100_000, `${source.bytesRead} bytes to plan`);
	let largest = 0;
	for await (const chunk of renderEdits(plan, source)) {
		largest = Math.max(largest, chunk.length);
	}
	assert.ok(largest <= 1024 * 1024, `a chunk of ${largest} bytes`);
});

test('a file other than the one that was read is refused', async () => {
	const old = await open({ graph: { nodes: chain(3) } });
	const other = memorySource(buildModel({ graph: { nodes: [{ op: 'Sigmoid' }] } }), 'model.onnx');
	await assert.rejects(planEdits(other, [removeMessage(node(old, 1))]), {
		code: 'io',
		message: 'model.onnx was changed since it was read: open it again.',
	});
});

test('two changes of one message are an error of the caller', async () => {
	const old = await open({ graph: { nodes: chain(1) } });
	const edits = [removeMessage(node(old, 0)), replaceMessage(node(old, 0), [])];
	await assert.rejects(planEdits(old.source, edits), /Two edits/);
	assert.throws(() => removeMessage({}), /Only what was read from a file/);
});

test('a result beyond 2 GiB is refused before the first write', async () => {
	const old = await open({ graph: {} });
	const gigabyte = new Uint8Array(2 ** 30);
	const edit = addToGraph(old.model.graph, 'initializer', [gigabyte, gigabyte]);
	await assert.rejects(planEdits(old.source, [edit]), { code: 'limit', message: /at most 2147483647/ });
});
