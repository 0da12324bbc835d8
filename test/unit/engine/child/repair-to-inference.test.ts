import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { repairToInference } from '../../../../src/engine/child/repair-to-inference.js';
import { loadRuntime } from '../../../../src/engine/child/runtime/runtime.js';
import { createKernel } from '../../../../src/kernel/index.js';
import { rawElements } from '../../support/elements.js';
import { buildModel, type GraphSpec, type TensorSpec } from '../../support/model-builder.js';

const folder = mkdtempSync(path.join(tmpdir(), 'batchnorm-lens-repair-'));
after(() => rmSync(folder, { recursive: true }));

const ports = { runtime: loadRuntime, kernel: () => createKernel(), emit: () => {} };
const repair = (model: string, output: string) =>
	repairToInference({ path: model }, { output, temporary: `${output}.part`, batch: 1, seed: 0 }, ports);

const dataFile = 'training.data';
const parameters: readonly TensorSpec[] = [
	{ name: 'g', values: [1, 2] },
	{ name: 'b', values: [0, 1] },
	{ name: 'm', dims: [2], external: { location: dataFile, offset: 0, length: 8 } },
	{ name: 'v', dims: [2], external: { location: dataFile, offset: 8, length: 8 } },
];

const training: GraphSpec = {
	nodes: [
		{
			op: 'BatchNormalization',
			name: 'bn',
			inputs: ['x', 'g', 'b', 'm', 'v'],
			outputs: ['h', 'mean', 'var'],
			attributes: { training_mode: { i: 1 } },
		},
		{ op: 'Dropout', name: 'drop', inputs: ['h', 'ratio', 'on'], outputs: ['y'] },
	],
	initializers: [
		...parameters,
		{ name: 'ratio', dims: [], values: [0.5] },
		{ name: 'on', dtype: 'bool', dims: [], values: [1] },
	],
	inputs: [{ name: 'x', shape: [3, 2, 4] }],
	outputs: [{ name: 'y', shape: [3, 2, 4] }],
};

function write(name: string, statistics: readonly number[]): string {
	const file = path.join(folder, name);
	writeFileSync(path.join(folder, dataFile), rawElements('float32', statistics));
	writeFileSync(file, buildModel({ opset: 15, graph: training }));
	return file;
}

test('a model in training mode is written for inference, run, and not written again', async () => {
	const model = write('training.onnx', [3, 4, 5, 6]);
	const before = readFileSync(model);
	const output = path.join(folder, 'inference.onnx');
	const result = await repair(model, output);
	assert.deepEqual(
		result.repaired.map(({ name }) => name),
		['bn', 'drop'],
	);
	assert.equal(result.check.status, 'match', JSON.stringify(result.check));
	assert.deepEqual([result.notes, result.unrepaired, result.examined], [[], [], 2]);
	assert.equal(result.written?.bytes, readFileSync(output).length);
	assert.deepEqual(readFileSync(model), before);
	assert.ok(!readdirSync(folder).some((name) => name.endsWith('.part')));
	const again = await repair(output, path.join(folder, 'again.onnx'));
	assert.deepEqual([again.written, again.repaired, again.unrepaired], [null, [], []]);
	assert.ok(!existsSync(path.join(folder, 'again.onnx')));
});

test('a note names layers with initial statistics', async () => {
	const { notes } = await repair(write('new.onnx', [0, 0, 1, 1]), path.join(folder, 'new.out.onnx'));
	assert.match(notes.join(), /^The running statistics of 1 layer \(bn\) are those before any training/);
});

test('neither the model nor its external data are replaced', async () => {
	const model = write('kept.onnx', [3, 4, 5, 6]);
	for (const target of [model, path.join(folder, dataFile)]) {
		const before = readFileSync(target);
		await assert.rejects(repair(model, target), /choose another/);
		assert.deepEqual(readFileSync(target), before);
	}
});
