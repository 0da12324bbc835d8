/** Wrong folds that are quantized afterwards, with values that agree to within the noise of the weights. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SINGLES } from '../../../../folding/cases.js';
import { ARCHITECTURES } from '../../../../folding/quantized-networks.js';
import { QUANTIZED_FORMS, runQuantizedNetwork } from '../../../../folding/quantized-runs.js';

const CASES = [
	['QDQ per channel, uint8 activations', 'depthwise', 'beta-dropped', 100290],
	['weights only, blocks of 4 bits', 'grouped', 'channels-permuted', 211380],
	['MatMulNBits', 'residual', 'channels-permuted', 212220],
	['dynamic', 'MatMul', 'channels-permuted', 208260],
] as const;

function named<T extends { readonly name: string }>(list: readonly T[], name: string): T {
	const found = list.find((each) => each.name === name);
	assert.ok(found, name);
	return found;
}

for (const [form, architecture, fault, seed] of CASES) {
	test(`noise hides no wrong fold: ${form}, ${architecture}, ${fault}`, async () => {
		const of = {
			form: named(QUANTIZED_FORMS, form),
			architecture: named(ARCHITECTURES, architecture),
			set: named(SINGLES, fault),
			...{ seed, channels: 8 },
		};
		const { faulty, status, named: cause, others } = await runQuantizedNetwork(of);
		assert.deepEqual([status, faulty.status, cause], [1, 'mismatch', fault], faulty.evidence);
		assert.ok(others.every((layer) => layer.status !== 'mismatch'));
	});
}
