import assert from 'node:assert/strict';
import { test } from 'node:test';
import { epsilonText } from '../../../../src/core/report/layer-words.js';

test('epsilon is a number unless the constants show scale and shift only', () => {
	const one = Float64Array.of(1);
	const parameters = { gamma: one, beta: one, mean: one, variance: one };
	assert.equal(epsilonText({ kind: 'decomposed', parameters: null, epsilon: 0 }), 'not known');
	assert.equal(epsilonText({ kind: 'decomposed', parameters, epsilon: 0 }), '0', 'a root without epsilon');
	assert.equal(epsilonText({ kind: 'batchnorm', parameters: null, epsilon: 1e-5 }), '1e-5', 'computed parameters');
	assert.equal(epsilonText({ kind: 'batchnorm', parameters, epsilon: 0.001 }), '0.001');
});
