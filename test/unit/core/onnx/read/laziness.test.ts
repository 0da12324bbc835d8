import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readModel } from '../../../../../src/core/onnx/read/reader.js';
import { readTensor } from '../../../../../src/core/onnx/tensor/tensor.js';
import { countingSource } from '../../../support/counting-source.js';
import { buildModel, type TensorSpec } from '../../../support/model-builder.js';

/** `count` weights of `bytes` each, and a node for every one. */
function chain(count: number, bytes: number): Uint8Array {
	const raw = new Uint8Array(bytes);
	const initializers = Array.from({ length: count }, (_, i): TensorSpec => ({ name: `w${i}`, dims: [bytes / 4], raw }));
	const nodes = initializers.map(({ name = '' }, i) => ({
		op: 'Add',
		inputs: [`x${i}`, name],
		outputs: [`x${i + 1}`],
	}));
	return buildModel({ graph: { nodes, initializers, inputs: ['x0'], outputs: [`x${count}`] } });
}

test('opening reads the structure and almost none of the weights', async () => {
	const source = countingSource(chain(40, 400_000));
	const model = await readModel(source);
	assert.equal(model.graph.initializers.size, 40);
	assert.ok(source.bytesRead < 100_000, `${source.bytesRead} of ${source.size} bytes`);
	assert.ok(source.reads.length <= 42, `${source.reads.length} reads`);
});

test('the bytes read do not depend on the size of the weights', async () => {
	const small = countingSource(chain(40, 80_000));
	const large = countingSource(chain(40, 800_000));
	await readModel(small);
	await readModel(large);
	assert.ok(Math.abs(large.bytesRead - small.bytesRead) < 1000);
	assert.equal(large.reads.length, small.reads.length);
});

test('structure without weights is read in large pieces, once', async () => {
	const bytes = chain(20_000, 4);
	const source = countingSource(bytes);
	await readModel(source);
	assert.ok(source.bytesRead < bytes.length * 1.02, `${source.bytesRead} of ${bytes.length} bytes`);
	assert.ok(source.reads.length < 3 + bytes.length / 60_000, `${source.reads.length} reads`);
});

test('doc strings and small tensors between the nodes do not cost a read each', async () => {
	const nodes = Array.from({ length: 2000 }, (_, i) => ({ op: 'Relu', inputs: [`x${i}`], doc: 'd'.repeat(900) }));
	const source = countingSource(buildModel({ graph: { nodes } }));
	assert.equal((await readModel(source)).graph.nodes.length, 2000);
	assert.ok(source.reads.length < 40, `${source.reads.length} reads`);
});

test('a tensor takes one read of exactly its bytes', async () => {
	const forms = ['raw', 'packed', 'chunked', 'unpacked'] as const;
	for (const form of forms) {
		const source = countingSource(
			buildModel({ graph: { initializers: [{ name: 'w', values: [1, 2, 3, 4, 5, 6, 7], form }] } }),
		);
		const record = (await readModel(source)).graph.initializers.get('w');
		assert.ok(record);
		const before = source.reads.length;
		await readTensor(record, { source });
		assert.equal(source.reads.length, before + 1, form);
		assert.ok((source.reads.at(-1)?.length ?? 0) <= record.span.length, form);
	}
});

test('a small model takes one read', async () => {
	const source = countingSource(chain(10, 40));
	await readModel(source);
	assert.deepEqual(source.reads, [{ offset: 0, length: source.size }]);
});

test('values longer than worth keeping stay in the file and are marked', async () => {
	const blob = new Uint8Array(2_000_000);
	const source = countingSource(
		buildModel({
			metadata: { labels: 'x'.repeat(2_000_000), note: 'kept' },
			graph: {
				nodes: [
					{ op: 'EPContext', attributes: { blob: { s: blob }, small: { s: 'kept' } } },
					{ op: 'TreeEnsemble', attributes: { weights: { floats: Array<number>(300_000).fill(1) } } },
				],
			},
		}),
	);
	const { graph, metadata } = await readModel(source);
	const [context, trees] = graph.nodes;
	assert.equal(context?.attributes.get('blob')?.omitted, true);
	assert.equal(context?.attributes.get('blob')?.s, undefined);
	assert.equal(context?.attributes.get('small')?.s?.length, 4);
	assert.equal(trees?.attributes.get('weights')?.omitted, true);
	assert.deepEqual([metadata.get('labels'), metadata.get('note')], ['', 'kept']);
	assert.ok(source.bytesRead < 100_000, `${source.bytesRead} bytes`);
});
