import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { toFloat16 } from '../../../support/float16-model.js';
import { inspectBytes } from '../../../support/inspect.js';
import { buildModel, type GraphSpec } from '../../../support/model-builder.js';

test('every fixture converted to float16 is recomputed without a mismatch', async () => {
	const folder = 'test/fixtures/models';
	const names = (await readdir(folder)).filter((name) => name.endsWith('.onnx') && !name.includes('folded'));
	assert.ok(names.length > 5);
	for (const name of names) {
		const bytes = toFloat16(await readFile(path.join(folder, name)));
		for (const seed of [0, 1, 2]) {
			const { report } = await inspectBytes(bytes, { seed });
			assert.equal(report.run.status, 'ok', `${name}: ${report.run.reason}`);
			for (const { name: layer, recompute, findings } of report.layers) {
				assert.equal(recompute.status, 'match', `${name}, ${layer}: ${recompute.reason}`);
				assert.ok(
					findings.every(({ severity }) => severity !== 'error'),
					JSON.stringify(findings),
				);
			}
			assert.deepEqual(report.findings, []);
		}
	}
});

/** A convolution in front of a layer, in float16. @param factor of the weights */
function model(factor: number, training = false): Uint8Array {
	const [inputs, channels] = [3, 4];
	const values = Array.from({ length: channels * inputs * 9 }, (_, i) => factor * Math.sin(1 + i));
	const outputs = training ? ['y', 'new_mean', 'new_variance'] : ['y'];
	const graph: GraphSpec = {
		inputs: [{ name: 'x', shape: [2, inputs, 8, 8] }],
		outputs,
		initializers: [
			{ name: 'w', dims: [channels, inputs, 3, 3], values },
			{ name: 'gamma', values: [1, -2, 300, 0.5] },
			{ name: 'beta', values: [0, 1, -1, 0.25] },
			{ name: 'mean', values: [0.1, -5, 2, 0] },
			{ name: 'variance', values: [1, 0.01, 25, 4] },
		],
		nodes: [
			{ op: 'Conv', inputs: ['x', 'w'], outputs: ['c'] },
			{
				op: 'BatchNormalization',
				name: 'bn',
				inputs: ['c', 'gamma', 'beta', 'mean', 'variance'],
				outputs,
				attributes: training ? { training_mode: { i: 1 } } : {},
			},
		],
	};
	return toFloat16(buildModel({ opset: 15, graph }));
}

test('a float16 layer gets the float32 result of the operator in front, in both modes and also beyond the range', async () => {
	for (const training of [false, true]) {
		for (const factor of [1e-3, 1, 100, 60_000]) {
			const { report } = await inspectBytes(model(factor, training));
			const [{ recompute }] = report.layers;
			// Infinite captured values hide the statistics that training mode normalizes with.
			const expected = training && factor > 1e4 ? 'skipped' : 'match';
			assert.equal(recompute.status, expected, `${factor}, training ${training}: ${recompute.reason}`);
		}
	}
});
