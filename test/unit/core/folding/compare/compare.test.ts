import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareModels } from '../../../../../src/core/folding/compare/compare.js';
import { COMPARISON_STATUSES, type Comparison } from '../../../../../src/core/report/comparison/comparison.js';
import { encodeComparison, parseComparison } from '../../../../../src/core/report/comparison/json.js';
import { openFixture } from '../../../support/fixtures.js';
import type { ModelSpec } from '../../../support/model-builder.js';
import { type OpenModel, open } from '../../../support/open.js';
import {
	asConstantNodes,
	asExpressions,
	asHalf,
	asQuantized,
	renamed,
	specOf,
	withIdentities,
} from '../../../support/respec.js';

const compared = ({ model, source }: OpenModel) => ({ model, access: { source } });

async function compare(original: OpenModel, deployed: OpenModel): Promise<Comparison> {
	return compareModels(compared(original), compared(deployed));
}

/** "match 3, kept 1": the statuses that occur. */
function counted({ summary }: Comparison): string {
	return COMPARISON_STATUSES.filter((status) => summary[status] > 0)
		.map((status) => `${status} ${summary[status]}`)
		.join(', ');
}

/** What PyTorch's own fold did to each model. */
const PAIRS = {
	plain_cnn: 'match 3',
	depthwise: 'match 4',
	conv1d: 'match 2',
	conv3d: 'match 2',
	generator: 'kept 2',
	mlp: 'kept 2',
	preact: 'match 2, kept 3',
} as const;

test("PyTorch's own folds: every folded layer matches, every other is kept", async () => {
	for (const [name, expected] of Object.entries(PAIRS)) {
		const comparison = await compare(await openFixture(`${name}.onnx`), await openFixture(`${name}.folded.onnx`));
		assert.equal(counted(comparison), expected, name);
		assert.deepEqual(comparison.notes, [], name);
		for (const { status, maxAbs, bound, confidence, cause } of comparison.layers) {
			assert.ok(maxAbs !== null && bound !== null && maxAbs <= bound, name);
			assert.deepEqual([confidence, cause], [1, null], `${name} ${status}`);
		}
	}
});

const WAYS: Readonly<Record<string, (spec: ModelSpec) => ModelSpec>> = {
	'other names and order': renamed,
	'Identity nodes': withIdentities,
	'Constant nodes': asConstantNodes,
	'constant expressions': asExpressions,
	'all of it': (spec) => renamed(withIdentities(asExpressions(spec))),
};

test('the same folds as other tools write them', async () => {
	for (const [way, change] of Object.entries(WAYS)) {
		for (const [name, expected] of Object.entries(PAIRS)) {
			const folded = await open(change(await specOf(await openFixture(`${name}.folded.onnx`))));
			assert.equal(counted(await compare(await openFixture(`${name}.onnx`), folded)), expected, `${name}: ${way}`);
		}
	}
});

test('an original written in these forms', async () => {
	for (const [way, change] of Object.entries(WAYS)) {
		const original = await open(change(await specOf(await openFixture('plain_cnn.onnx'))));
		assert.equal(counted(await compare(original, await openFixture('plain_cnn.folded.onnx'))), 'match 3', way);
	}
});

test('a deployed model in float16 matches, and says that it was rounded', async () => {
	for (const [name, expected] of Object.entries(PAIRS)) {
		const folded = await open(asHalf(await specOf(await openFixture(`${name}.folded.onnx`))));
		const comparison = await compare(await openFixture(`${name}.onnx`), folded);
		assert.equal(counted(comparison), expected, name);
		assert.ok(
			comparison.layers.every(({ cause }) => cause === 'rounding-fp16'),
			name,
		);
	}
});

test('weights behind DequantizeLinear match, and say that they were quantized', async () => {
	const folded = await open(asQuantized(await specOf(await openFixture('plain_cnn.folded.onnx'))));
	const comparison = await compare(await openFixture('plain_cnn.onnx'), folded);
	assert.equal(counted(comparison), 'match 3');
	assert.ok(comparison.layers.every(({ cause }) => cause === 'quantized-int8'));
});

test('swapped arguments, and a model against itself', async () => {
	const [original, folded] = [await openFixture('plain_cnn.onnx'), await openFixture('plain_cnn.folded.onnx')];
	const swapped = await compare(folded, original);
	assert.equal(swapped.layers.length, 0);
	assert.match(swapped.notes.join(), /The original has no BatchNormalization, .* 3: the two seem to be swapped/);
	assert.equal(counted(await compare(original, original)), 'kept 3');
	const neither = await compare(folded, folded);
	assert.match(neither.notes.join(), /nothing to compare/);
});

test('unrelated models: no operator is paired, and the evidence says so', async () => {
	const comparison = await compare(await openFixture('plain_cnn.onnx'), await openFixture('conv3d.folded.onnx'));
	assert.equal(counted(comparison), 'unmatched 3');
	assert.match(comparison.notes.join(), /counterpart of the same shape/);
	assert.ok(comparison.layers.every(({ into, cause, maxAbs }) => into === null && cause === null && maxAbs === null));
});

test('a pruned model: remaining layers match, removed layers are unmatched', async () => {
	const spec = await specOf(await openFixture('depthwise.folded.onnx'));
	const nodes = (spec.graph.nodes ?? []).filter(({ name }) => name !== '/3/Conv');
	// The second convolution is cut out: its reader takes its input.
	const rewired = nodes.map((node) => ({
		...node,
		inputs: (node.inputs ?? []).map((input) => (input === '/3/Conv_output_0' ? '/2/Relu_output_0' : input)),
	}));
	const pruned = await open({ ...spec, graph: { ...spec.graph, nodes: rewired } });
	const comparison = await compare(await openFixture('depthwise.onnx'), pruned);
	assert.equal(counted(comparison), 'match 3, unmatched 1');
	assert.equal(comparison.layers.find(({ status }) => status === 'unmatched')?.name, '/4/BatchNormalization');
	assert.match(comparison.notes.join(), /4 .*removed or merged|removed or merged/);
});

test('the answer is a document that can be read back', async () => {
	const comparison = await compare(await openFixture('preact.onnx'), await openFixture('preact.folded.onnx'));
	const read = parseComparison(JSON.parse(JSON.stringify(encodeComparison(comparison))));
	assert.deepEqual(read, comparison);
});

test('reports progress after each layer', async () => {
	const models = [await openFixture('preact.onnx'), await openFixture('preact.folded.onnx')].map(compared);
	const seen: string[] = [];
	await compareModels(models[0], models[1], { onProgress: (done, total) => seen.push(`${done}/${total}`) });
	assert.deepEqual(seen, ['1/5', '2/5', '3/5', '4/5', '5/5']);
});

test('a kept layer whose statistics became constants has lost them', async () => {
	const spec = await specOf(await openFixture('generator.onnx'));
	const statistics = new Set(
		(spec.graph.nodes ?? []).flatMap(({ op, inputs = [] }) => (op === 'BatchNormalization' ? inputs.slice(3, 5) : [])),
	);
	const initializers = (spec.graph.initializers ?? []).map((tensor) =>
		statistics.has(tensor.name ?? '') ? { ...tensor, values: (tensor.values ?? []).map(() => 0) } : tensor,
	);
	const deployed = await open({ ...spec, graph: { ...spec.graph, initializers } });
	const { layers } = await compare(await openFixture('generator.onnx'), deployed);
	assert.ok(layers.length > 0);
	for (const { status, cause, evidence } of layers) {
		assert.deepEqual([status, cause], ['mismatch', 'statistics-reset']);
		assert.match(evidence, /every mean is 0 and every variance is 0: the running statistics were lost\.$/);
	}
});
