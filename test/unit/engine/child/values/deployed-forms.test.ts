import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compare } from '../../../../../src/engine/child/compare.js';
import { loadRuntime } from '../../../../../src/engine/child/runtime/runtime.js';
import { createKernel } from '../../../../../src/kernel/index.js';
import { deployedForm, FORM_NAMES, modelBytes } from '../../../support/deployed-forms.js';
import type { GraphSpec } from '../../../support/model-builder.js';

const ports = { runtime: loadRuntime, kernel: createKernel, emit: () => {} };
const compareGraphs = (original: GraphSpec, deployed: GraphSpec) =>
	compare(
		{ path: 'original.onnx', bytes: modelBytes(original) },
		{ path: 'deployed.onnx', bytes: modelBytes(deployed) },
		{ run: true, batch: 1, seed: 0 },
		ports,
	);

for (const name of FORM_NAMES) {
	test(`${name}: every layer arrived`, async () => {
		for (const seed of [1, 2]) {
			const { original, deployed } = deployedForm(name, seed);
			const { layers, outputs, firstDifference } = await compareGraphs(original, deployed);
			assert.equal(outputs?.status, 'match');
			assert.equal(firstDifference, null);
			for (const { name: layer, status, behavior, evidence } of layers) {
				assert.ok(status === 'match' || status === 'kept', `${layer}: ${status}, ${evidence}`);
				assert.equal(behavior?.status, 'match', layer);
			}
		}
	});
}
