import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareForm } from '../../../support/compare-bytes.js';
import { deployedForm, FORM_NAMES } from '../../../support/deployed-forms.js';

for (const name of FORM_NAMES) {
	test(`${name}: every layer arrived`, async () => {
		for (const seed of [1, 2]) {
			const { layers, outputs, firstDifference } = await compareForm(deployedForm(name, seed));
			assert.equal(outputs?.status, 'match');
			assert.equal(firstDifference, null);
			for (const { name: layer, status, behavior, evidence } of layers) {
				assert.ok(status === 'match' || status === 'kept', `${layer}: ${status}, ${evidence}`);
				assert.equal(behavior?.status, 'match', layer);
			}
		}
	});
}
