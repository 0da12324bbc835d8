import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compare } from '../../../../../src/engine/child/compare.js';
import { loadRuntime } from '../../../../../src/engine/child/runtime/runtime.js';
import { createKernel } from '../../../../../src/kernel/index.js';
import { modelBytes, surround } from '../../../support/deployed-forms.js';
import { WRONG_FORMS } from '../../../support/wrong-forms.js';

const ports = { runtime: loadRuntime, kernel: createKernel, emit: () => {} };

for (const [name, { cause, block }] of Object.entries(WRONG_FORMS)) {
	for (const run of [true, false]) {
		test(`${name} is named ${run ? 'with' : 'without'} a run`, async () => {
			for (const seed of [1, 2]) {
				const { original, deployed } = surround(block, seed);
				const { layers, outputs } = await compare(
					{ path: 'original.onnx', bytes: modelBytes(original) },
					{ path: 'deployed.onnx', bytes: modelBytes(deployed) },
					{ run, batch: 1, seed: 0 },
					ports,
				);
				const wrong = layers.filter(({ status }) => status === 'mismatch');
				assert.ok(wrong.length > 0, 'no layer is wrong');
				assert.deepEqual([...new Set(wrong.map((layer) => layer.cause))], [cause]);
				assert.ok(wrong.every(({ confidence }) => confidence >= 0.95));
				// The first layer, in front of the block, is right.
				assert.equal(layers[0].status, 'match');
				assert.equal(outputs?.status, run ? 'mismatch' : 'skipped');
				for (const { status, behavior } of layers) {
					assert.ok(status !== 'match' || behavior?.status !== 'mismatch', 'a match without its values');
				}
			}
		});
	}
}
