/** Folds that were wrong before they were quantized. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SINGLES } from '../../../../folding/cases.js';
import { type QuantizedCase, runQuantized } from '../../../../folding/quantized-case.js';

const perChannel = { perChannel: true };

test('an int32 bias at the end of its range is a cause of its own, in its channel only', async () => {
	const base: QuantizedCase = { form: 'qdq', grid: perChannel, kind: 'Conv', seed: 3, shrunk: 1e-12 };
	for (const form of ['qdq', 'qoperator'] as const) {
		const [before, layer, behind] = (await runQuantized({ ...base, form })).layers;
		assert.deepEqual([before.status, behind.status], ['match', 'match']);
		assert.deepEqual([layer.status, layer.cause, layer.confidence], ['mismatch', 'bias-clipped', 0.99]);
		assert.match(layer.evidence, /^\d+ of \d+ channels carry the right fold; the int32 bias of channel 1 is clipped/);
		const wrong = Array.from(layer.perChannel.boundRatio ?? []).flatMap((ratio, channel) =>
			ratio > 1 ? [channel] : [],
		);
		assert.deepEqual(wrong, [1]);
	}
	const inFloat = await runQuantized({ ...base, form: 'dynamic' });
	assert.deepEqual(
		inFloat.layers.map(({ status }) => status),
		['match', 'match', 'match'],
	);
});

test('a clipped bias is named beside another cause', async () => {
	const set = SINGLES.find(({ name }) => name === 'gamma-dropped');
	const { layers } = await runQuantized({
		form: 'qdq',
		grid: perChannel,
		kind: 'Conv',
		seed: 3,
		shrunk: 1e-12,
		...(set && { set }),
	});
	assert.deepEqual([layers[1].cause, layers[1].causes.includes('bias-clipped')], ['gamma-dropped', true]);
	assert.match(layers[1].evidence, /the int32 bias of channel 1 is clipped/);
});
