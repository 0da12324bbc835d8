import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mapInto, median, medianMagnitude, product, rangeOf, sum } from '../../../../src/core/numbers/arrays.js';

describe('rangeOf', () => {
	it('counts NaN and infinities separately', () => {
		assert.deepEqual(rangeOf([3, Number.NaN, -1, Number.NEGATIVE_INFINITY]), { min: -1, max: 3, nonFinite: 2 });
	});

	it('has NaN as ends if no value is finite', () => {
		assert.deepEqual(rangeOf([]), { min: Number.NaN, max: Number.NaN, nonFinite: 0 });
		assert.deepEqual(rangeOf([Number.NaN]), { min: Number.NaN, max: Number.NaN, nonFinite: 1 });
	});
});

describe('product, sum and medians', () => {
	it('define the empty case', () => {
		assert.equal(product([]), 1);
		assert.equal(sum([]), 0);
		assert.ok(Number.isNaN(median([])));
		assert.equal(medianMagnitude(new Float64Array()), 0);
	});

	it('take the lower median of values and the upper median of magnitudes', () => {
		assert.equal(product([2, 3, 4]), 24);
		assert.equal(sum([1, 2.5, -1]), 2.5);
		assert.equal(median([4, 1, 3, 2]), 2);
		assert.equal(medianMagnitude(Float64Array.of(-4, 1, -3, 2)), 3);
	});
});

describe('mapInto', () => {
	it('fills the target from values and their positions', () => {
		const target = new Float32Array(4);
		assert.equal(
			mapInto(target, Uint16Array.of(1, 2, 3), (value, index) => 10 * value + index),
			target,
		);
		assert.deepEqual([...target], [10, 21, 32, 0]);
	});
});
