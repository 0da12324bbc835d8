import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
	addPart,
	biasedVariance,
	emptyMoments,
	type Moments,
	mergeMoments,
	unbiasedVariance,
} from '../../../../src/core/numbers/moments.js';

/** Moments of one statistic, from the definition in two passes. */
function momentsOf(values: readonly number[]): Moments {
	const mean = values.reduce((sum, value) => sum + value, 0) / (values.length || 1);
	const m2 = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
	return {
		count: Float64Array.of(values.length),
		mean: Float64Array.of(mean),
		m2: Float64Array.of(m2),
		nonFinite: Float64Array.of(1),
	};
}

test('moments of parts, in any division and with empty parts, merge to the moments of the whole', () => {
	const part = fc.array(fc.integer({ min: -1000, max: 1000 }), { maxLength: 9 });
	fc.assert(
		fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (parts) => {
			const merged = mergeMoments(parts.map(momentsOf));
			const whole = momentsOf(parts.flat());
			assert.deepEqual([merged.count, merged.nonFinite[0]], [whole.count, parts.length]);
			assert.ok(Math.abs(merged.mean[0] - whole.mean[0]) <= 1e-12 * 1000);
			assert.ok(Math.abs(merged.m2[0] - whole.m2[0]) <= 1e-12 * (1 + whole.m2[0]));
		}),
		{ seed: 11, numRuns: 200 },
	);
});

test('a large mean cancels no digits of the deviations', () => {
	const merged = emptyMoments(1);
	for (const value of [1e9, 1e9 + 1, 1e9 + 2]) {
		addPart(merged, 0, 1, value, 0);
	}
	assert.deepEqual([merged.mean[0], merged.m2[0]], [1e9 + 1, 2]);
});

test('moments of different numbers of statistics are refused, and none are empty', () => {
	assert.equal(mergeMoments([]).count.length, 0);
	assert.throws(() => mergeMoments([emptyMoments(3), emptyMoments(2)]), {
		name: 'RangeError',
		message: /Moments of 3 and of 2 statistics/,
	});
});

test('the biased variance divides by m, the unbiased by m - 1', () => {
	const four = momentsOf([1, 2, 3, 6]);
	assert.deepEqual([...biasedVariance(four), ...unbiasedVariance(four)], [3.5, 14 / 3]);
	assert.deepEqual([...biasedVariance(momentsOf([7])), ...unbiasedVariance(momentsOf([7]))], [0, Number.NaN]);
	assert.deepEqual([...biasedVariance(momentsOf([]))], [Number.NaN]);
});
