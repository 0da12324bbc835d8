import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareModels } from '../../../../../src/core/folding/compare/compare.js';
import { readTensor } from '../../../../../src/core/onnx/tensor/tensor.js';
import { foldedModel } from '../../../support/folded.js';
import { inspectBytes } from '../../../support/inspect.js';
import { buildModel, type GraphSpec, type NodeSpec, type SparseSpec } from '../../../support/model-builder.js';
import { openBytes, openGraph } from '../../../support/open.js';

const ints = (dims: readonly number[], values: readonly number[]) => ({ dtype: 'int64', dims, values }) as const;

async function read(sparse: SparseSpec): Promise<{ dims: readonly number[]; values: number[] }> {
	const { model, source } = await openGraph({ sparseInitializers: [sparse] });
	const [record] = model.graph.sparseInitializers.values();
	assert.ok(record);
	const { dims, data } = await readTensor(record, { source });
	return { dims, values: Array.from(data) };
}

/** The elements of a dense tensor that are not 0, at row-major positions or at coordinates. */
function sparseOf(name: string, dims: readonly number[], dense: readonly number[], byAxis: boolean): SparseSpec {
	const places = dense.flatMap((value, at) => (value === 0 ? [] : [at]));
	const coordinates = places.flatMap((place) => {
		let rest = place;
		return dims
			.toReversed()
			.map((dim) => {
				const index = rest % dim;
				rest = Math.floor(rest / dim);
				return index;
			})
			.toReversed();
	});
	return {
		values: { name, values: places.map((place) => dense[place]) },
		indices: byAxis ? ints([places.length, dims.length], coordinates) : ints([places.length], places),
		dims,
	};
}

test('positions and coordinates give the same dense tensor', async () => {
	const dense = [0, 0, 3, 0, -1, 0, 0, 0, 0, 7, 0, 0];
	for (const byAxis of [false, true]) {
		assert.deepEqual(await read(sparseOf('w', [2, 3, 2], dense, byAxis)), { dims: [2, 3, 2], values: dense });
	}
	const empty = { values: { name: 'w', values: [] }, indices: ints([0], []), dims: [3] };
	assert.deepEqual(await read(empty), { dims: [3], values: [0, 0, 0] });
});

test('sparse tensors that do not fit, or claim more than their values bear out, are refused with the figures', async () => {
	const one = { name: 'w', values: [1] };
	const cases: readonly [SparseSpec, RegExp][] = [
		[{ values: one, indices: ints([1], [4]), dims: [4] }, /with the index 4 where 4 elements are/],
		[{ values: one, indices: ints([1], [-1]), dims: [4] }, /with the index -1/],
		[{ values: one, indices: ints([2], [0, 1]), dims: [4] }, /values of shape \[1\] and indices of shape \[2\]/],
		[{ values: one, indices: ints([1, 1], [0]), dims: [2, 2] }, /indices of shape \[1, 1\]/],
		[{ values: one, indices: { ...ints([1], [0]), dtype: 'int32' }, dims: [4] }, /indices other than int64/],
		[{ values: one, indices: ints([1], [0]), dims: [2 ** 14, 2 ** 14] }, /claims 16384 x 16384 elements with 1 values/],
		[{ values: one, indices: ints([1], [0]), dims: [-1] }, /negative dimension -1/],
	];
	for (const [sparse, message] of cases) {
		await assert.rejects(read(sparse), { name: 'OnnxError', message });
	}
});

test('a model with a sparse tensor that claims gigabytes is not run', async () => {
	const claim = { values: { name: 'W', values: [1] }, indices: ints([1], [0]), dims: [2 ** 14, 2 ** 14, 1, 1] };
	const parameter = (name: string) => ({ name, values: [1, 1] });
	const nodes: NodeSpec[] = [
		{ op: 'BatchNormalization', name: 'bn', inputs: ['x', 'a', 'a', 'a', 'a'], outputs: ['y'] },
		{ op: 'Conv', inputs: ['x', 'W'], outputs: ['z'] },
	];
	const shape = { inputs: [{ name: 'x', shape: [1, 2, 2, 2] }], outputs: ['y', 'z'], initializers: [parameter('a')] };
	const constant = { op: 'Constant', outputs: ['W'], attributes: { sparse_value: { sparse: claim } } };
	for (const graph of [
		{ ...shape, nodes, sparseInitializers: [claim] },
		{ ...shape, nodes: [constant, ...nodes] },
	]) {
		const { report } = await inspectBytes(buildModel({ graph }));
		assert.equal(report.layers[0]?.recompute.status, 'skipped');
		assert.match(
			report.run.reason ?? '',
			/sparse tensor "W" claims 16384 x 16384 x 1 x 1 elements, and stores too few/,
		);
	}
});

/** Conv, BatchNormalization and Relu with every constant sparse or none. */
function network(isSparse: boolean): Uint8Array {
	const weight = Array.from({ length: 4 * 3 * 9 }, (_, at) => (at % 3 === 0 ? Math.sin(at + 1) : 0));
	const constants = [
		{ name: 'W', dims: [4, 3, 3, 3], values: weight },
		{ name: 'g', dims: [4], values: [1, -2, 0.5, 3] },
		{ name: 'b', dims: [4], values: [0, 0, 1, 0] },
		{ name: 'm', dims: [4], values: [0, 0.25, 0, 0] },
		{ name: 'v', dims: [4], values: [1, 2, 3, 0.5] },
	];
	const graph: GraphSpec = {
		inputs: [{ name: 'x', shape: [1, 3, 6, 6] }],
		outputs: ['y'],
		nodes: [
			{ op: 'Conv', name: 'conv', inputs: ['x', 'W'], outputs: ['c'] },
			{ op: 'BatchNormalization', name: 'bn', inputs: ['c', 'g', 'b', 'm', 'v'], outputs: ['n'] },
			{ op: 'Relu', inputs: ['n'], outputs: ['y'] },
		],
		...(isSparse
			? {
					sparseInitializers: constants.map(({ name, dims, values }, at) => sparseOf(name, dims, values, at % 2 === 0)),
				}
			: { initializers: constants }),
	};
	return buildModel({ graph });
}

test('a layer with sparse parameters is inspected, folded and compared like a dense layer', async () => {
	const [sparse, dense] = [network(true), network(false)];
	const { report } = await inspectBytes(sparse);
	const reference = await inspectBytes(dense);
	assert.equal(report.layers[0]?.recompute.status, 'match');
	assert.deepEqual(report.layers[0]?.parameters, reference.report.layers[0]?.parameters);
	assert.deepEqual(report.layers[0]?.foldable, { into: 'conv', reasons: [] });
	const folded = await foldedModel(sparse);
	const { model, source } = await openBytes(folded);
	assert.deepEqual([model.graph.sparseInitializers.size, model.graph.nodes.length], [0, 2]);
	const expected = await openBytes(await foldedModel(dense));
	const weightOf = async ({ model: { graph }, source: bytes }: typeof expected) => {
		const record = graph.initializers.get('W');
		assert.ok(record);
		return (await readTensor(record, { source: bytes })).data;
	};
	assert.deepEqual(await weightOf({ model, source } as typeof expected), await weightOf(expected));
	const original = await openBytes(sparse);
	const { layers } = await compareModels(
		{ model: original.model, access: { source: original.source } },
		{ model, access: { source } },
	);
	assert.deepEqual(
		layers.map(({ status }) => status),
		['match'],
	);
});
