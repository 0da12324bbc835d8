/** Kept layers whose own parameters are quantized. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareModels } from '../../../../../src/core/folding/compare/compare.js';
import { openFixture } from '../../../support/fixtures.js';
import { open } from '../../../support/open.js';
import { quantizedLayers } from '../../../support/quantized-forms.js';
import { specOf } from '../../../support/respec.js';

async function compareKept(...choice: [Parameters<typeof quantizedLayers>[1], Parameters<typeof quantizedLayers>[2]?]) {
	const original = await openFixture('plain_cnn.onnx');
	const deployed = await open(quantizedLayers(await specOf(original), ...choice));
	const compared = ({ model, source }: typeof original) => ({ model, access: { source } });
	return compareModels(compared(original), compared(deployed));
}

for (const parameters of [
	['gamma', 'beta'],
	['gamma', 'beta', 'mean', 'variance'],
] as const) {
	test(`a kept layer with ${parameters.join(', ')} in 8 bits is kept`, async () => {
		const { layers, summary } = await compareKept(parameters);
		assert.equal(summary.kept, 3, layers.map(({ evidence }) => evidence).join('\n'));
		for (const { cause, confidence, evidence } of layers) {
			assert.equal(cause, 'quantized-int8');
			assert.equal(confidence, 1);
			assert.match(evidence, /none is off by more than half a step/);
		}
	});

	test(`a kept layer with ${parameters.join(', ')} two steps off is a mismatch`, async () => {
		const { summary } = await compareKept(parameters, (values, name) =>
			name === 'beta' ? values.map((value) => value * 1.02 + 0.02) : values,
		);
		assert.equal(summary.mismatch, 3);
	});
}

test('a kept layer whose beta was dropped before quantization is named', async () => {
	const { layers } = await compareKept(['gamma', 'beta'], (values, name) =>
		name === 'beta' ? values.map(() => 0) : values,
	);
	assert.deepEqual(
		layers.map(({ status, cause }) => [status, cause]),
		layers.map(() => ['mismatch', 'beta-dropped']),
	);
});
