import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareForm } from '../../../support/compare-bytes.js';
import { surround } from '../../../support/deployed-forms.js';
import { WRONG_FORMS } from '../../../support/wrong-forms.js';

for (const [name, { cause, block }] of Object.entries(WRONG_FORMS)) {
	for (const run of [true, false]) {
		test(`${name} is named ${run ? 'with' : 'without'} a run`, async () => {
			for (const seed of [1, 2]) {
				const { layers, outputs } = await compareForm(surround(block, seed), { run });
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
