/** The ONNX repository's own cases: what we recompute are the values that the specification gives. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { inferenceBound, trainingBound } from '../../../../../src/core/batchnorm/bound.js';
import type { LayerReport } from '../../../../../src/core/report/types.js';
import { readInputFile } from '../../../../../src/engine/child/inputs/input-files.js';
import { openModel } from '../../../../../src/engine/child/model/opened-model.js';
import { requiredInputs } from '../../../../../src/engine/child/model/required-inputs.js';
import { parseNpy } from '../../../../../src/engine/child/tensors/npy.js';
import { inspectModel } from '../../../support/inspect.js';

const specification = path.resolve('test', 'fixtures', 'specification');
const cases = readdirSync(specification).filter((name) => name.includes('_opset'));

let folder: string;
before(async () => {
	folder = await mkdtemp(path.join(tmpdir(), 'bnl-specification-'));
});
after(() => rm(folder, { recursive: true }));

/** The tensors of a case's input or output files, in the order of the graph. */
async function tensors(name: string, kind: 'input' | 'output') {
	const files = [0, 1, 2, 3, 4].map((i) => path.join(specification, name, `${kind}_${i}.pb`)).filter(existsSync);
	return Promise.all(
		files.map(async (file) => {
			const { shape, data } = await readInputFile(file, '');
			return { file, shape, data: Array.from(data as Float32Array) };
		}),
	);
}

/** Inspects a case on its own inputs, with every recomputed output saved. */
async function inspectCase(name: string) {
	const model = path.join(specification, name, 'model.onnx');
	const open = await openModel({ path: model });
	const names = requiredInputs(open.model).map((input) => input.name);
	await open.close();
	const inputs = await tensors(name, 'input');
	assert.equal(names.length, inputs.length);
	const saveOutputs = path.join(folder, name);
	const { report } = await inspectModel(
		{ path: model },
		{ inputs: inputs.map(({ file }, i) => ({ input: names[i], path: file })), saveOutputs },
	);
	const file = path.join(saveOutputs, '0.npy');
	const y = parseNpy(readFileSync(file), file);
	return { report, inputs, y: { shape: y.shape, data: Array.from(y.data as Float32Array) } };
}

/** What separates two float32 computations of a layer at most: each is within the bound of the exact value. */
function boundsOf(layer: LayerReport, shape: readonly number[], x: readonly number[]): (index: number) => number {
	const { parameters, epsilon, mode, batch } = layer;
	assert.ok(parameters && batch);
	const inner = shape.slice(2).reduce((product, size) => product * size, 1);
	const channel = (index: number) => Math.floor(index / inner) % layer.channels;
	const { slope, offset } =
		mode === 'training'
			? trainingBound({ ...parameters, ...batch, epsilon }, { images: shape[0], planeSize: inner }, 'float32')
			: inferenceBound({ ...parameters, epsilon }, 'float32');
	return (index) => 2 * (slope[channel(index)] * Math.abs(x[index]) + offset[channel(index)]);
}

for (const name of cases) {
	test(`${name}: Y is the specification's`, async () => {
		const { report, inputs, y } = await inspectCase(name);
		const [expected] = await tensors(name, 'output');
		const [layer, ...others] = report.layers;
		assert.equal(others.length, 0);
		assert.equal(report.model.opset, Number(/_opset(\d+)$/.exec(name)?.[1]));
		// The runtime has no kernel before opset 7.
		assert.equal(layer.recompute.status, report.model.opset < 7 ? 'skipped' : 'match', layer.recompute.reason);
		assert.deepEqual(y.shape, expected.shape);
		const bound = boundsOf(layer, expected.shape, inputs[0].data);
		for (const [index, value] of expected.data.entries()) {
			const error = Math.abs(y.data[index] - value);
			assert.ok(error <= bound(index), `element ${index}: ${y.data[index]} for ${value}, bound ${bound(index)}`);
			assert.ok(bound(index) < 1e-4, 'a bound that tells something');
		}
	});
}

test('training mode leaves the running statistics that the specification gives', async () => {
	const name = 'batchnorm_example_training_mode_opset15';
	const { report, inputs } = await inspectCase(name);
	const [, ...statistics] = await tensors(name, 'output');
	const [layer] = report.layers;
	assert.ok(layer.batch && layer.momentum !== undefined);
	for (const [index, fresh] of [layer.batch.mean, layer.batch.variance].entries()) {
		const old = inputs[3 + index].data;
		for (const [c, value] of statistics[index].data.entries()) {
			const ours = old[c] * layer.momentum + fresh[c] * (1 - layer.momentum);
			// Sums of 40 float32 numbers, and the three operations of the blend.
			const bound = 64 * 2 ** -24 * (Math.abs(old[c]) + Math.abs(fresh[c]) + 1);
			assert.ok(Math.abs(ours - value) <= bound, `${index} channel ${c}: ${ours} for ${value}`);
		}
	}
});

test('there is a case of every opset family, and one in training mode', () => {
	assert.deepEqual([...new Set(cases.map((name) => name.split('_opset')[1]))].sort(), ['15', '6', '9']);
	assert.ok(cases.some((name) => name.includes('training_mode')));
});
