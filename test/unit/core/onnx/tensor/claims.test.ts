/** Sizes that a model claims without the data behind them cost neither memory nor time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planFold } from '../../../../../src/core/folding/rewrite/fold-model.js';
import { readNetwork } from '../../../../../src/core/folding/targets/network.js';
import { readModel } from '../../../../../src/core/onnx/read/reader.js';
import { memorySource } from '../../../../../src/core/onnx/source.js';
import { readTensor } from '../../../../../src/core/onnx/tensor/tensor.js';
import { buildModel, type NodeSpec, type TensorSpec } from '../../../support/model-builder.js';

/** More than a claim's bytes; far less than the claim. */
const MOST_BYTES = 64 * 2 ** 20;
const MOST_MILLISECONDS = 2000;

const CLAIM = 2 ** 30;
const conv: NodeSpec = { op: 'Conv', inputs: ['x', 'w'], outputs: ['c'] };
const CASES: readonly (readonly [string, NodeSpec, TensorSpec])[] = [
	['raw data', conv, { name: 'w', dims: [CLAIM, 4, 1, 1], values: [1] }],
	['typed data', conv, { name: 'w', dims: [CLAIM, 4, 1, 1], values: [1], form: 'packed' }],
	['no data', conv, { name: 'w', dims: [CLAIM, 4, 1, 1], raw: new Uint8Array() }],
	['external data', conv, { name: 'w', dims: [CLAIM, 4, 1, 1], external: { location: 'w.data' } }],
	['a transposed convolution', { ...conv, op: 'ConvTranspose' }, { name: 'w', dims: [4, CLAIM, 1, 1], values: [1] }],
	['a Gemm', { ...conv, op: 'Gemm' }, { name: 'w', dims: [4, CLAIM], values: [1] }],
	['a MatMul', { ...conv, op: 'MatMul' }, { name: 'w', dims: [4, CLAIM], values: [1], form: 'packed' }],
];

for (const [title, node, weight] of CASES) {
	test(`a weight that claims 2^30 rows in ${title} costs neither time nor memory`, async () => {
		const values = [1, 1, 1, 1];
		const bytes = buildModel({
			graph: {
				inputs: [{ name: 'x', shape: [1, 4, 8, 8] }],
				outputs: ['y'],
				initializers: [weight, ...['g', 'b', 'm', 'v'].map((name) => ({ name, values }))],
				nodes: [node, { op: 'BatchNormalization', inputs: ['c', 'g', 'b', 'm', 'v'], outputs: ['y'] }],
			},
		});
		const source = memorySource(bytes, 'claim.onnx');
		const model = await readModel(source);
		const [start, before] = [performance.now(), process.memoryUsage()];
		const network = await readNetwork(model, { source });
		assert.equal(network.targets.size, 0);
		const { folded, kept } = await planFold(model, { source });
		assert.deepEqual([folded.length, kept.length], [0, 1]);
		const record = model.graph.initializers.get('w');
		assert.ok(record);
		await assert.rejects(readTensor(record, { source }), { name: 'OnnxError' });
		const after = process.memoryUsage();
		const grown = after.heapTotal + after.arrayBuffers - before.heapTotal - before.arrayBuffers;
		assert.ok(grown < MOST_BYTES, `${grown} bytes`);
		assert.ok(performance.now() - start < MOST_MILLISECONDS, `${performance.now() - start} ms`);
	});
}
