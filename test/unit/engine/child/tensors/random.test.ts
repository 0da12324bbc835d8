import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';

function draw(seed: number, count: number): number[] {
	const random = seededRandom(seed);
	return Array.from({ length: count }, random.normal);
}

test('a seed gives one sequence, another seed another sequence', () => {
	assert.deepEqual(draw(7, 50), draw(7, 50));
	assert.notDeepEqual(draw(7, 50), draw(8, 50));
	assert.notDeepEqual(draw(7, 50), draw(7 + 2 ** 32, 50));
});

test('normals have mean 0, variance 1 and no correlation between neighbors', () => {
	const values = draw(1, 200_000);
	const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
	const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
	const lag = values.slice(1).reduce((sum, value, i) => sum + value * values[i], 0) / values.length;
	// Five standard errors of each: 1/sqrt(n), sqrt(2/n), 1/sqrt(n).
	assert.ok(Math.abs(mean) < 5 / Math.sqrt(200_000), `mean ${mean}`);
	assert.ok(Math.abs(variance - 1) < 5 * Math.sqrt(2 / 200_000), `variance ${variance}`);
	assert.ok(Math.abs(lag) < 5 / Math.sqrt(200_000), `lag ${lag}`);
	assert.ok(values.every(Number.isFinite));
});
