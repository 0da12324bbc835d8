import assert from 'node:assert/strict';
import { test } from 'node:test';
import { driftInTraining } from '../../../../src/core/inspection/layer-drift.js';
import { sampleLayer } from '../../support/sample-report.js';

test('a layer in training mode drifts where data of the batch do not fit the stored statistics', () => {
	const layer = sampleLayer();
	const { parameters, epsilon } = layer;
	assert.ok(parameters);
	const { mean, variance } = parameters;
	const batchAt = (distance: number) => ({
		count: 6400,
		images: 64,
		mean: mean.map((value, c) => value + (c === 1 ? distance * Math.sqrt(variance[c] + epsilon) : 0)),
		variance,
	});
	const training = { ...layer, mode: 'training', axes: 'channel' } as const;
	const found = driftInTraining({ ...training, batch: batchAt(2) });
	assert.deepEqual([found?.code, found?.channels], ['statistics-drift', [1]]);
	assert.match(found?.message ?? '', /in channel 1 its mean is off by 2 running standard deviations\.$/);
	for (const other of [
		{ ...training, batch: batchAt(0) },
		{ ...training, batch: { ...batchAt(2), isRandom: true as const } },
		{ ...training, batch: null },
		{ ...training, axes: 'activation' as const, batch: batchAt(2) },
		{ ...training, mode: 'inference' as const, batch: batchAt(2) },
	]) {
		assert.equal(driftInTraining(other), undefined);
	}
});
