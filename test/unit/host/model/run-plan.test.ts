import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RunnableInput } from '../../../../src/core/report/run-choices.js';
import { RunMemory } from '../../../../src/host/model/run-memory.js';
import {
	fitPlan,
	NO_PLAN,
	parseRunPlan,
	type RunPlan,
	runForm,
	runOptions,
	withFiles,
} from '../../../../src/host/model/run-plan.js';

const inputs: readonly RunnableInput[] = [
	{ name: 'image', dtype: 'float32', shape: ['N', 3, 'height', 'width'] },
	{ name: 'mask', dtype: 'bool', shape: ['', '', 'height', 4] },
	{ name: 'scale', dtype: 'float32', shape: undefined },
];
const defaults = { batch: 4, seed: 5, memoryBudget: 512 };
const plan: RunPlan = {
	files: [
		{ input: 'image', path: '/a.png' },
		{ input: 'image', path: '/b.png' },
	],
	choices: { seed: 9, dimensions: [{ name: 'height', size: 32 }], normalize: '0..1' },
};

/** Stands in for a workspace's storage. */
function storage() {
	const values = new Map<string, unknown>();
	return {
		get: (key: string) => values.get(key),
		// What comes back went through JSON.
		update: async (key: string, value: unknown) => void values.set(key, JSON.parse(JSON.stringify(value))),
	};
}

test('the engine gets the choices, and the settings for the rest', () => {
	assert.deepEqual(runOptions(plan, defaults), {
		run: true,
		inputs: plan.files,
		batch: 4,
		seed: 9,
		dimensions: { height: 32 },
		normalize: '0..1',
	});
	assert.equal(runOptions(NO_PLAN, { ...defaults, memoryBudget: 64 }).memoryBudget, 64 * 2 ** 20);
	const chosen = { batch: 2, memoryBudget: 100, random: 'uniform' } as const;
	assert.deepEqual(runOptions({ files: [], choices: chosen }, defaults), { run: true, inputs: [], seed: 5, ...chosen });
});

test('the form offers every size that is open, once, and the files of each input', () => {
	const form = runForm(plan, inputs, { defaults, trusted: true });
	assert.deepEqual(form.dimensions, ['height', 'width', 'mask:1']);
	assert.deepEqual(
		form.inputs.map(({ files }) => files),
		[['/a.png', '/b.png'], [], []],
	);
});

test('choices without a place in a changed model are left out', () => {
	const changed = fitPlan(plan, [{ name: 'picture', dtype: 'float32', shape: [1, 3, 8, 8] }]);
	assert.deepEqual(changed, { files: [], choices: { seed: 9, normalize: '0..1' } });
	assert.deepEqual(fitPlan(plan, inputs), plan);
	const unnamed = { files: [{ input: undefined, path: '/x.npy' }], choices: {} };
	assert.deepEqual(fitPlan(unnamed, inputs.slice(0, 1)), unnamed);
	assert.deepEqual(fitPlan(unnamed, inputs).files, []);
});

test('new files for an input leave the files of the other inputs', () => {
	const more = withFiles(plan, 'mask', ['/m.npy']);
	assert.equal(more.files.length, 3);
	assert.deepEqual(withFiles(more, 'image', []).files, [{ input: 'mask', path: '/m.npy' }]);
});

test('each model has its own plan, and the storage does not grow without end', async () => {
	const memory = new RunMemory(storage());
	assert.deepEqual(memory.get('file:///a.onnx'), NO_PLAN);
	await memory.set('file:///a.onnx', plan);
	await memory.set('file:///b.onnx', NO_PLAN);
	assert.deepEqual(memory.get('file:///a.onnx'), plan);
	for (let i = 0; i < 199; i++) {
		await memory.set(`file:///${i}.onnx`, plan);
	}
	assert.deepEqual(memory.get('file:///a.onnx'), NO_PLAN);
	assert.deepEqual(memory.get('file:///0.onnx'), plan);
});

test('any stored value is read as a valid plan', async () => {
	await fc.assert(
		fc.asyncProperty(fc.anything(), async (value) => {
			parseRunPlan(value);
			parseRunPlan({ files: value, choices: value });
			const memory = new RunMemory({ get: () => value, update: async () => {} });
			assert.deepEqual(memory.get('file:///a.onnx'), NO_PLAN);
			await memory.set('file:///a.onnx', plan);
		}),
	);
});
