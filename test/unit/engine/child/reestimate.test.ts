import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { findLayers } from '../../../../src/core/batchnorm/find.js';
import type { BatchNormLayer } from '../../../../src/core/batchnorm/layer.js';
import { mergeStatistics } from '../../../../src/core/inspection/merge-statistics.js';
import { product } from '../../../../src/core/numbers/arrays.js';
import { encodeStatistics, parseStatistics, type StatisticsReport } from '../../../../src/core/report/statistics.js';
import { encodeNpy } from '../../../../src/engine/child/tensors/npy.js';
import { seededRandom } from '../../../../src/engine/child/tensors/random.js';
import { fixture } from '../../support/fixtures.js';
import { inspectModel, runtime } from '../../support/inspect.js';
import {
	buildModel,
	type GraphSpec,
	type ModelSpec,
	type NodeSpec,
	type TensorSpec,
} from '../../support/model-builder.js';
import { openBytes } from '../../support/open.js';
import {
	type Expected,
	expectedOf,
	readArray,
	reestimateModel,
	scratch,
	stale,
	writeRows,
} from '../../support/reestimate.js';
import { asConstantNodes, asExpressions, specOf } from '../../support/respec.js';

const folder = scratch();
after(() => rmSync(folder, { recursive: true }));
const out = (name: string) => path.join(folder, name);

/** Largest distance of means in standard deviations, and relative of variances. */
function distance(layers: StatisticsReport['layers'], expected: Expected['layers']): number {
	assert.equal(layers.length, expected.length);
	const distances = layers.flatMap(({ mean, variance }, index) =>
		expected[index].mean.flatMap((value, c) => {
			const right = expected[index].variance[c];
			return [Math.abs(mean[c] - value) / Math.sqrt(right), Math.abs(variance[c] - right) / right];
		}),
	);
	return Math.max(...distances);
}

async function layersOf(bytes: Uint8Array): Promise<readonly BatchNormLayer[]> {
	const { model, source } = await openBytes(bytes);
	return findLayers(model, { source });
}

async function runModel(bytes: Uint8Array, file: string): Promise<Float32Array> {
	const session = await runtime.createSession(bytes, { levels: ['all'] });
	const { type, shape, data } = readArray(file);
	const name = session.inputs[0]?.name ?? '';
	const output = session.outputs[0]?.name ?? '';
	const results = await session.run(new Map([[name, { type, dims: shape, data }]]), [output]);
	await session.release();
	return results.get(output)?.data as Float32Array;
}

for (const [name, kind] of [
	['mlp', 'stale'],
	['mlp', 'training'],
	['conv1d', 'stale'],
	['conv1d', 'training'],
	['generator', 'stale'],
] as const) {
	test(`${name}, ${kind}: statistics and outputs are PyTorch's`, async () => {
		const { batch, layers } = expectedOf(name);
		const output = out(`${name}.${kind}.onnx`);
		const model = stale(`${name}.${kind}.onnx`);
		const before = readFileSync(model);
		const result = await reestimateModel(model, stale(`${name}.calibration.npy`), { batch, output });
		assert.ok(distance(result.statistics.layers, layers) < 1e-5);
		assert.equal(result.check.status, 'match', JSON.stringify(result.check));
		assert.deepEqual([result.kept, result.batches, result.samples], [[], 6, 48]);
		assert.equal(result.switched, kind === 'training' ? layers.length : 0);
		const got = await runModel(readFileSync(output), stale(`${name}.probe.npy`));
		const right = readArray(stale(`${name}.probe.right.npy`)).data as Float32Array;
		const largest = right.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
		assert.equal(got.length, right.length);
		assert.ok(got.every((value, i) => Math.abs(value - right[i]) < 1e-5 * largest));
		assert.deepEqual(readFileSync(model), before);
		assert.ok(!readdirSync(folder).some((file) => file.endsWith('.part')));
	});
}

test('bytes outside the statistics stay', async () => {
	const [before, output] = [readFileSync(stale('mlp.stale.onnx')), out('bytes.onnx')];
	await reestimateModel(stale('mlp.stale.onnx'), stale('mlp.calibration.npy'), { batch: 8, output });
	const written = readFileSync(output);
	const { model } = await openBytes(before);
	const own = new Set((await layersOf(written)).flatMap(({ mean, variance }) => [mean.name, variance.name]));
	assert.equal(written.length, before.length);
	const changed = [...before.keys()].filter((at) => before[at] !== written[at]);
	const spans = [...model.graph.initializers.values()].filter((record) => own.has(record.name)).map(({ span }) => span);
	assert.ok(changed.length > 0);
	assert.ok(changed.every((at) => spans.some(({ offset, length }) => at >= offset && at < offset + length)));
});

test('merged statistics of shards equal the statistics of the whole to the last bit, in any order, through files', async () => {
	const model = stale('conv1d.stale.onnx');
	const array = readArray(stale('conv1d.calibration.npy'));
	const whole = (await reestimateModel(model, stale('conv1d.calibration.npy'), { batch: 8 })).statistics;
	for (const shards of [2, 3, 6]) {
		const parts: { file: string; statistics: StatisticsReport }[] = [];
		for (let shard = 0; shard < shards; shard++) {
			const file = writeRows(folder, array, (48 / shards) * shard, (48 / shards) * (shard + 1));
			const { statistics } = await reestimateModel(model, file, { batch: 8 });
			parts.push({ file, statistics: parseStatistics(JSON.parse(JSON.stringify(encodeStatistics(statistics)))) });
		}
		for (const order of [parts, parts.toReversed(), [...parts.slice(1), ...parts.slice(0, 1)]]) {
			assert.deepEqual(mergeStatistics(order), whole);
		}
		const rounded = parts.map(({ file, statistics }) => ({
			file,
			statistics: { ...statistics, layers: statistics.layers.map(({ sums: _, ...layer }) => layer) },
		}));
		const merged = mergeStatistics(rounded).layers;
		for (const [index, { mean, variance }] of whole.layers.entries()) {
			for (const c of mean.keys()) {
				assert.ok(Math.abs(merged[index].mean[c] - mean[c]) <= 1e-12 * Math.sqrt(variance[c]));
				assert.ok(Math.abs(merged[index].variance[c] - variance[c]) <= 1e-12 * variance[c]);
			}
		}
	}
	const output = out('merged.onnx');
	const written = await reestimateModel(model, [], { statistics: whole, output });
	assert.equal(written.check.status, 'match');
	const direct = out('direct.onnx');
	await reestimateModel(model, stale('conv1d.calibration.npy'), { batch: 8, output: direct });
	assert.deepEqual(readFileSync(output), readFileSync(direct));
	await assert.rejects(
		reestimateModel(stale('conv1d.training.onnx'), [], { statistics: whole, output: out('other.onnx') }),
		/The statistics are not of .*conv1d\.training\.onnx: the file has another size/,
	);
	assert.ok(!existsSync(out('other.onnx')));
});

test('sequential statistics do not depend on the batches, and no mean is off', async () => {
	const model = stale('mlp.stale.onnx');
	const data = stale('mlp.calibration.npy');
	const small = await reestimateModel(model, data, { batch: 1, mode: 'sequential', output: out('sequential.onnx') });
	assert.equal(small.check.status, 'match', JSON.stringify(small.check));
	const large = (await reestimateModel(model, data, { batch: 48, mode: 'sequential' })).statistics.layers;
	const streamed = (await reestimateModel(model, data, { batch: 8, mode: 'sequential', memoryBudget: 1 })).statistics;
	assert.ok(distance(small.statistics.layers, large.map(asExpected)) < 1e-6);
	assert.ok(distance(streamed.layers, large.map(asExpected)) < 1e-6);
	// The first layer sees the data alone, so that one batch of all samples gives the same.
	const one = (await reestimateModel(model, data, { batch: 48 })).statistics.layers;
	assert.ok(distance(large.slice(0, 1), one.slice(0, 1).map(asExpected)) < 1e-6);
	assert.ok(distance(large, one.map(asExpected)) > 1e-4);
});

const asExpected = ({ mean, variance }: StatisticsReport['layers'][number]) => ({
	mean: Array.from(mean),
	variance: Array.from(variance),
});

test('a batch of one value per channel is refused, and left out at the end', async () => {
	const [model, data] = [stale('mlp.stale.onnx'), stale('mlp.calibration.npy')];
	await assert.rejects(
		reestimateModel(model, data, { batch: 1, output: out('one.onnx') }),
		/gets one value per channel from a batch of 1 sample, and a variance needs two: choose a larger batch/,
	);
	assert.ok(!existsSync(out('one.onnx')));
	const rest = await reestimateModel(model, data, { batch: 47 });
	assert.deepEqual([rest.batches, rest.samples], [1, 47]);
	assert.match(rest.notes.join(), /^The last batch of 1 sample was left out/);
	const weighted = await reestimateModel(model, data, { batch: 40 });
	assert.deepEqual([weighted.batches, weighted.statistics.layers[0]?.count], [2, 48]);
});

/** The network of a fixture with another description. */
async function variant(name: string, change: (spec: ModelSpec) => ModelSpec): Promise<string> {
	const file = out(`${name}.variant.${readdirSync(folder).length}.onnx`);
	writeFileSync(file, buildModel(change(await specOf(await openBytes(readFileSync(stale(`${name}.stale.onnx`)))))));
	return file;
}

test('a model of a fixed batch is run sample by sample, with the statistics of the whole batch', async () => {
	const graph = (spec: ModelSpec): GraphSpec => ({
		...spec.graph,
		inputs: (spec.graph?.inputs ?? []).map((input) =>
			typeof input === 'string' ? input : { ...input, shape: [1, ...(input.shape ?? []).slice(1)] },
		),
		outputs: [],
	});
	const model = await variant('conv1d', (spec) => {
		const changed = graph(spec);
		const output = spec.graph?.outputs?.map((value) => (typeof value === 'string' ? value : value.name));
		return { ...spec, graph: { ...changed, outputs: output ?? [] } };
	});
	const { batch, layers } = expectedOf('conv1d');
	const result = await reestimateModel(model, stale('conv1d.calibration.npy'), { batch, output: out('fixed.onnx') });
	assert.ok(distance(result.statistics.layers, layers) < 1e-5);
	assert.equal(result.check.status, 'match', JSON.stringify(result.check));
});

for (const [words, change] of [
	['Constant nodes', asConstantNodes],
	['constant expressions', asExpressions],
	[
		'initializers that are inputs, too, as in IR version 3',
		(spec: ModelSpec): ModelSpec => ({
			...spec,
			irVersion: 3,
			opset: 9,
			graph: {
				...spec.graph,
				nodes: (spec.graph?.nodes ?? []).map((node) =>
					node.op === 'BatchNormalization' ? { ...node, attributes: {} } : node,
				),
				inputs: [
					...(spec.graph?.inputs ?? []),
					...(spec.graph?.initializers ?? []).map(({ name = '', dims = [], dtype = 'float32' }) => ({
						name,
						shape: dims,
						dtype,
					})),
				],
			},
		}),
	],
	['a mean that is shared with beta', (spec: ModelSpec): ModelSpec => sharedMean(spec)],
] as const) {
	test(`statistics are written over ${words}`, async () => {
		const model = await variant('conv1d', change);
		const output = `${model}.out.onnx`;
		const result = await reestimateModel(model, stale('conv1d.calibration.npy'), { batch: 8, output });
		assert.equal(result.check.status, 'match', JSON.stringify(result.check));
		const written = await openBytes(readFileSync(output));
		for (const [index, { mean, variance, beta }] of (await layersOf(readFileSync(output))).entries()) {
			assert.deepEqual(mean.values, result.layers[index].after.mean);
			assert.deepEqual(variance.values, result.layers[index].after.variance);
			const original = (await layersOf(readFileSync(model)))[index];
			assert.deepEqual(beta.values, original.beta.values);
		}
		if (written.model.irVersion < 4) {
			const listed = new Set(written.model.graph.inputs.map(({ name }) => name));
			assert.ok([...written.model.graph.initializers.keys()].every((name) => listed.has(name)));
		}
	});
}

/** Both layers take their mean from the tensor that is the first layer's beta. */
function sharedMean(spec: ModelSpec): ModelSpec {
	const nodes = spec.graph?.nodes ?? [];
	const layers = nodes.filter(({ op }) => op === 'BatchNormalization');
	const [, , beta = ''] = layers[0]?.inputs ?? [];
	return {
		...spec,
		graph: {
			...spec.graph,
			nodes: nodes.map((node) => {
				if (node !== layers[0]) {
					return node;
				}
				const [x = '', gamma = '', , , variance = ''] = node.inputs ?? [];
				return { ...node, inputs: [x, gamma, beta, beta, variance] };
			}),
		},
	};
}

const norm = (inputs: readonly string[], outputs = ['y'], name = 'bn') => ({
	op: 'BatchNormalization',
	name,
	inputs,
	outputs,
});
const parameters: readonly TensorSpec[] = ['g', 'b', 'm', 'v'].map((name, i) => ({ name, values: [i % 3, 1] }));
const shape = ['N', 2, 3] as const;

function data(): string {
	const random = seededRandom(1);
	const values = Float32Array.from({ length: 16 * 6 }, () => random.normal() * 3 + 5);
	writeFileSync(out('data.npy'), encodeNpy({ type: 'float32', shape: [16, 2, 3], data: values }));
	return out('data.npy');
}

function model(graph: GraphSpec, spec: Partial<ModelSpec> = {}): string {
	const file = out(`model-${readdirSync(folder).length}.onnx`);
	writeFileSync(file, buildModel({ opset: 15, ...spec, graph }));
	return file;
}

test('a model without a layer, and a layer with run-time statistics, are refused with the reason', async () => {
	const io = { inputs: [{ name: 'x', shape }], outputs: [{ name: 'y', shape }] };
	const none = model({ ...io, nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['y'] }] });
	await assert.rejects(
		reestimateModel(none, data(), { output: out('none.onnx') }),
		/has no BatchNormalization to re-estimate: if its layers were folded, re-estimate the original/,
	);
	const nodes = [
		{ op: 'ReduceMean', inputs: ['x'], outputs: ['m'], attributes: { axes: { ints: [0, 2] }, keepdims: { i: 0 } } },
		norm(['x', 'g', 'b', 'm', 'v']),
	];
	const computed = model({ ...io, nodes, initializers: parameters.filter(({ name }) => name !== 'm') });
	await assert.rejects(
		reestimateModel(computed, data(), { output: out('computed.onnx') }),
		/bn cannot be re-estimated, because its running mean is computed at run time by ReduceMean/,
	);
	const fed = model({
		inputs: [...io.inputs, { name: 'v', shape: [2] }],
		outputs: io.outputs,
		nodes: [norm(['x', 'g', 'b', 'm', 'v'])],
		initializers: parameters.filter(({ name }) => name !== 'v'),
	});
	await assert.rejects(reestimateModel(fed, data()), /its running variance is the graph input "v"/);
});

test('a layer in a branch of an If, and a file without samples, are refused with the reason', async () => {
	const io = { inputs: [{ name: 'x', shape: ['n', 2, 3] }], outputs: [{ name: 'y' }] };
	const branch = (nodes: readonly NodeSpec[]) => ({ g: { nodes, outputs: ['y'] } });
	const attributes = {
		then_branch: branch([norm(['x', 'g', 'b', 'm', 'v'])]),
		else_branch: branch([{ op: 'Relu', inputs: ['x'], outputs: ['y'] }]),
	};
	const initializers = [...parameters, { name: 'yes', dtype: 'bool' as const, dims: [], values: [1] }];
	const nodes = [{ op: 'If', name: 'if', inputs: ['yes'], outputs: ['y'], attributes }];
	await assert.rejects(
		reestimateModel(model({ ...io, nodes, initializers }), data()),
		/bn cannot be re-estimated, because it is inside if\/then_branch, the body of an If, Loop or Scan, which need not run/,
	);
	writeFileSync(out('empty.npy'), encodeNpy({ type: 'float32', shape: [0, 2, 3], data: new Float32Array(0) }));
	const plain = model({ ...io, nodes: [norm(['x', 'g', 'b', 'm', 'v'])], initializers: parameters });
	await assert.rejects(reestimateModel(plain, out('empty.npy')), /empty\.npy has no sample: give at least one\./);
});

test('statistics that a type cannot hold, and data that are not finite, are refused', async () => {
	const io = { inputs: [{ name: 'x', shape }], outputs: [{ name: 'y' }] };
	const large = seededRandom(2);
	const values = Float32Array.from({ length: 96 }, () => large.normal() * 1e4);
	writeFileSync(out('large.npy'), encodeNpy({ type: 'float32', shape: [16, 2, 3], data: values }));
	const half = parameters.map((tensor) => ({ ...tensor, dtype: 'float16' as const }));
	const mixed = model({ ...io, nodes: [norm(['x', 'g', 'b', 'm', 'v'])], initializers: half });
	await assert.rejects(
		reestimateModel(mixed, out('large.npy'), { output: out('large.onnx') }),
		/was not written: bn cannot take its running variance [\d.,e+]+ of channel \d: float16 ends before it/,
	);
	values[4] = Number.NaN;
	writeFileSync(out('nan.npy'), encodeNpy({ type: 'float32', shape: [16, 2, 3], data: values }));
	const plain = model({ ...io, nodes: [norm(['x', 'g', 'b', 'm', 'v'])], initializers: parameters });
	await assert.rejects(reestimateModel(plain, out('nan.npy')), /values that are not finite \(channel 1, batch 1\)/);
});

test('one statistic per activation is collected over the batch alone', async () => {
	const graph = {
		inputs: [{ name: 'x', shape }],
		outputs: [{ name: 'y' }],
		nodes: [
			{ ...norm(['x', 'g', 'b', 'm', 'v'], ['h']), attributes: { spatial: { i: 0 } } },
			norm(['h', 'g2', 'b2', 'm2', 'v2'], ['y'], 'second'),
		],
		initializers: [
			...parameters.map((tensor) => ({ ...tensor, dims: [2, 3], values: [1, 2, 3, 4, 5, 6] })),
			...parameters.map((tensor) => ({ ...tensor, name: `${tensor.name}2` })),
		],
	};
	const { statistics } = await reestimateModel(model(graph, { opset: 7 }), data(), { batch: 16 });
	const [first] = statistics.layers;
	const x = readArray(out('data.npy')).data as Float32Array;
	assert.deepEqual([first.mean.length, first.count, first.channels], [6, 16, 2]);
	for (let k = 0; k < 6; k++) {
		const own = Array.from({ length: 16 }, (_, n) => x[n * 6 + k]);
		const mean = own.reduce((sum, value) => sum + value, 0) / 16;
		const variance = own.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 15;
		assert.ok(Math.abs(first.mean[k] - mean) < 1e-9 && Math.abs(first.variance[k] / variance - 1) < 1e-7);
	}
});

for (const name of ['conv1d', 'conv3d', 'depthwise', 'generator', 'mlp', 'plain_cnn', 'preact']) {
	test(`${name}: no drift is left on held-back data after noise was written as statistics`, async () => {
		const random = seededRandom(7);
		const sample = readArray(fixture(`${name}.input.npy`)).shape.slice(1);
		// Statistics of one value per sample and channel need more samples to be known as well.
		const samples = product(sample) < 100 ? 3072 : 384;
		const shape = [samples, ...sample];
		const values = Float32Array.from({ length: product(shape) }, () => random.normal() * 0.8 + 0.3);
		const all = { type: 'float32', shape, data: values };
		const [calibration, held] = [0, 1].map((k) =>
			writeRows(folder, all, (samples / 3) * 2 * k, (samples / 3) * (2 + k)),
		);
		const spec = await specOf(await openBytes(readFileSync(fixture(`${name}.onnx`))));
		const noisy = out(`${name}.noisy.onnx`);
		const statistics = new Set(
			(spec.graph?.nodes ?? []).flatMap(({ op, inputs }) =>
				op === 'BatchNormalization' ? (inputs ?? []).slice(3) : [],
			),
		);
		const initializers = (spec.graph?.initializers ?? []).map((tensor) =>
			statistics.has(tensor.name ?? '')
				? {
						name: tensor.name ?? '',
						dims: tensor.dims ?? [],
						values: Array.from({ length: tensor.dims?.[0] ?? 0 }, () => random.uniform() * 2 + 0.05),
					}
				: tensor,
		);
		writeFileSync(noisy, buildModel({ ...spec, graph: { ...spec.graph, initializers } }));
		const drifts = async (file: string) => {
			const inputs = [{ input: undefined, path: held }];
			const { report } = await inspectModel({ path: file }, { inputs, compareOptimized: false });
			assert.equal(report.run.status, 'ok');
			return report.layers.filter(({ findings }) => findings.some(({ code }) => code === 'statistics-drift')).length;
		};
		assert.ok((await drifts(noisy)) > 0);
		const output = out(`${name}.quiet.onnx`);
		const result = await reestimateModel(noisy, calibration, { batch: 32, output });
		assert.equal(result.check.status, 'match', JSON.stringify(result.check));
		assert.equal(await drifts(output), 0);
	});
}

test('models of an operator set whose layers and Dropout the runtime lacks are re-estimated', async () => {
	const io = { inputs: [{ name: 'x', shape }], outputs: [{ name: 'y', shape }], initializers: parameters };
	const ratio = { f: 0.5 };
	const nodes = [
		{ op: 'Dropout', inputs: ['x'], outputs: ['d', 'mask'], attributes: { ratio } },
		norm(['d', 'g', 'b', 'm', 'v']),
	];
	const training = nodes.map((node) => ({
		...node,
		attributes: { ...('attributes' in node && node.attributes), is_test: { i: 0 } },
	}));
	const output = out('opset6.onnx');
	const old = await reestimateModel(model({ ...io, nodes: training }, { opset: 6 }), data(), { batch: 8, output });
	const now = await reestimateModel(model({ ...io, nodes }, { opset: 9 }), data(), { batch: 8 });
	assert.deepEqual(old.statistics.layers, now.statistics.layers);
	assert.equal(old.switched, 2);
	const written = await openBytes(readFileSync(output));
	assert.deepEqual(
		written.model.graph.nodes.map(({ opType }) => opType),
		['Dropout', 'BatchNormalization'],
		'Dropout stays',
	);
	const unknown = model({
		...io,
		nodes: [{ op: 'NoSuchOperator', inputs: ['x'], outputs: ['d'] }, norm(['d', 'g', 'b', 'm', 'v'])],
	});
	await assert.rejects(reestimateModel(unknown, data(), { batch: 8 }), (error: Error) =>
		error.message.startsWith(`${unknown} cannot be run on the data: `),
	);
});
