import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runWithGuessedSizes } from '../../../../../src/engine/child/inputs/guessed-sizes.js';
import { impliedSizes } from '../../../../../src/engine/child/model/guessed-sizes.js';
import { openModel } from '../../../../../src/engine/child/model/opened-model.js';
import { compareOutputs } from '../../../../../src/engine/child/outputs/compare-outputs.js';
import { captureTensors } from '../../../../../src/engine/child/regions/capture-inputs.js';
import { RuntimeError } from '../../../../../src/engine/child/runtime/runtime.js';
import { inspectBytes, runtime } from '../../../support/inspect.js';
import { buildModel, type GraphSpec, type NodeSpec } from '../../../support/model-builder.js';

const ones = (count: number) => Array.from({ length: count }, () => 1);
const parameters = ['gamma', 'beta', 'mean', 'variance'].map((name) => ({ name, values: [1, 2, 3, 4] }));

/** Conv and BatchNormalization over four channels. @param group of the convolution, which reads 2 channels a group */
function model(shape: readonly (number | string | null)[], group: number, more: Partial<GraphSpec> = {}): Uint8Array {
	return buildModel({
		graph: {
			inputs: [{ name: 'x', shape: [...shape] }],
			outputs: ['y'],
			initializers: [...parameters, { name: 'w', dims: [4, 2, 3, 3], values: ones(72) }],
			nodes: [
				{ op: 'Relu', inputs: ['x'], outputs: ['r'] },
				{ op: 'Conv', inputs: ['r', 'w'], outputs: ['c'], attributes: { group: { i: group } } },
				{ op: 'BatchNormalization', inputs: ['c', 'gamma', 'beta', 'mean', 'variance'], outputs: ['y'] },
			],
			...more,
		},
	});
}

test('channels come from the first convolution and its groups, height and width of an image are not 1', async () => {
	for (const group of [1, 2]) {
		const { report } = await inspectBytes(model(['N', 'C', 'H', 'W'], group));
		assert.deepEqual(report.run.inputs[0]?.shape, [1, 2 * group, 64, 64], report.run.reason);
	}
	const { report } = await inspectBytes(model(['N', 'C', 'H', 'W'], 1), { dimensions: { H: 8 } });
	assert.deepEqual(report.run.inputs[0]?.shape, [1, 2, 8, 64]);
	assert.equal(report.run.inputs[0]?.from, 'random normal, seed 0, guessed W = 64');
});

test('where no guess runs, the error names an open size and the option that states it', async () => {
	const graph = {
		initializers: [...parameters, { name: 'offset', dims: [1, 4, 7, 7], values: ones(196) }],
		nodes: [
			{ op: 'Add', inputs: ['x', 'offset'], outputs: ['c'] },
			{ op: 'BatchNormalization', inputs: ['c', 'gamma', 'beta', 'mean', 'variance'], outputs: ['y'] },
		],
	};
	const { report } = await inspectBytes(model([1, 4, 'height', 'width'], 1, graph));
	assert.equal(report.run.status === 'ok' && !report.run.partial, false);
	assert.match(report.run.reason ?? '', /leaves sizes open \(height, width\).*--dim height=SIZE/);
	const stated = await inspectBytes(model([1, 4, 'height', 'width'], 1, graph), {
		dimensions: { height: 7, width: 7 },
	});
	assert.equal(stated.report.layers[0].recompute.status, 'match');
});

interface Implied {
	readonly shape: readonly (number | string)[];
	readonly nodes: GraphSpec['nodes'];
	readonly weights?: Readonly<Record<string, readonly number[]>>;
	readonly implied: Readonly<Record<string, number>>;
}

const node = (op: string, inputs: string[], output: string, attributes: NodeSpec['attributes'] = {}): NodeSpec => ({
	op,
	inputs,
	outputs: [output],
	attributes,
});

const IMPLIED: Readonly<Record<string, Implied>> = {
	'MatMul reads the last axis': {
		shape: ['N', 'T', 'D'],
		nodes: [node('MatMul', ['x', 'w'], 'y')],
		weights: { w: [6, 4] },
		implied: { 'x:2': 6 },
	},
	'Gemm reads features, behind an Add of a constant': {
		shape: ['N', 'D'],
		nodes: [node('Add', ['x', 'b'], 'a'), node('Gemm', ['a', 'w'], 'y', { transB: { i: 1 } })],
		weights: { w: [4, 7], b: [7] },
		implied: { 'x:1': 7 },
	},
	'Transpose turns channels to the front': {
		shape: ['N', 'H', 'W', 'C'],
		nodes: [node('Transpose', ['x'], 't', { perm: { ints: [0, 3, 1, 2] } }), node('Conv', ['t', 'w'], 'y')],
		weights: { w: [4, 3, 3, 3] },
		implied: { 'x:3': 3 },
	},
	'Flatten in front of a Gemm divides by the known sizes': {
		shape: ['N', 2, 'L'],
		nodes: [node('Flatten', ['x'], 'f'), node('Gemm', ['f', 'w'], 'y')],
		weights: { w: [10, 4] },
		implied: { 'x:2': 5 },
	},
	'Reshape to constant sizes': {
		shape: ['N', 'D'],
		nodes: [node('Reshape', ['x', 'sizes'], 'y')],
		implied: { 'x:1': 24 },
	},
	BatchNormalization: {
		shape: ['N', 'C', 'L'],
		nodes: [node('BatchNormalization', ['x', 'w', 'w', 'w', 'w'], 'y')],
		weights: { w: [9] },
		implied: { 'x:1': 9 },
	},
	'two open sizes behind the batch stay open': {
		shape: ['N', 'D', 'E'],
		nodes: [node('Reshape', ['x', 'sizes'], 'y')],
		implied: {},
	},
};

for (const [name, { shape, nodes, weights = {}, implied }] of Object.entries(IMPLIED)) {
	test(`implied sizes: ${name}`, async () => {
		const initializers = Object.entries(weights).map(([weight, dims]) => ({
			name: weight,
			dims,
			values: ones(dims.reduce((a, b) => a * b, 1)),
		}));
		const sizes = { name: 'sizes', dtype: 'int64', values: [-1, 4, 6] } as const;
		const inputs = [{ name: 'x', shape }];
		const bytes = buildModel({ graph: { inputs, outputs: ['y'], nodes, initializers: [...initializers, sizes] } });
		const file = await openModel({ path: 'model.onnx', bytes });
		assert.deepEqual(await impliedSizes(file), implied);
		assert.equal(impliedSizes(file), impliedSizes(file), 'computed once');
	});
}

test('fold and compare run on implied sizes', async () => {
	const bytes = model(['N', 'C', 'H', 'W'], 2);
	const file = await openModel({ path: 'model.onnx', bytes });
	const captured = await captureTensors(file, ['r'], { batch: 1, seed: 0 }, runtime);
	assert.deepEqual(captured.get('r')?.dims, [1, 4, 64, 64]);
	const pair = { original: file, deployed: file, comparison: { layers: [] } };
	const { feeds } = await compareOutputs(pair, { batch: 1, seed: 0 }, { runtime, progress: () => {} });
	assert.deepEqual(feeds.get('x')?.dims, [1, 4, 64, 64]);
});

test('the next run begins with the size that the model ran with', async () => {
	const tried: number[] = [];
	const plan = {
		guesses: true,
		guessed: [],
		feeds: async (_: number, size: number) => {
			tried.push(size);
			return { tensors: new Map(), summary: [], fromFiles: false, madeUp: new Set<string>() };
		},
	};
	const needs64 = async () => {
		if (tried.at(-1) !== 64) {
			throw new RuntimeError('too small.', 'run', 'too small.');
		}
	};
	const key = {};
	for (let run = 0; run < 2; run++) {
		await runWithGuessedSizes({ ...plan, runs: 1, origin: () => undefined, unfed: new Map() }, needs64, key);
	}
	assert.deepEqual(tried, [1, 64, 64]);
});
