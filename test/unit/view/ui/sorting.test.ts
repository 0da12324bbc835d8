import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type SortValue, sortRows } from '../../../../src/view/ui/sorting.js';

const sorted = (values: readonly SortValue[], descending = false): SortValue[] =>
	sortRows(values, (value) => value, descending);

describe('sortRows', () => {
	it('sorts numbers by value and names by their numbers', () => {
		assert.deepEqual(sorted([10, -1, 2.5]), [-1, 2.5, 10]);
		assert.deepEqual(sorted(['conv_10', 'conv_2', 'Conv_1']), ['Conv_1', 'conv_2', 'conv_10']);
	});

	it('keeps infinities at their ends, and missing values last in both directions', () => {
		const values = [Number.NaN, 1, null, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
		assert.deepEqual(sorted(values).slice(0, 3), [Number.NEGATIVE_INFINITY, 1, Number.POSITIVE_INFINITY]);
		assert.deepEqual(sorted(values, true).slice(0, 3), [Number.POSITIVE_INFINITY, 1, Number.NEGATIVE_INFINITY]);
		assert.deepEqual(sorted([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]).length, 2);
	});

	it('keeps equal rows in graph order, in both directions', () => {
		const rows = [0, 1, 2, 3].map((index) => ({ index, value: index % 2 }));
		const order = (descending: boolean) => sortRows(rows, ({ value }) => value, descending).map(({ index }) => index);
		assert.deepEqual(order(false), [0, 2, 1, 3]);
		assert.deepEqual(order(true), [1, 3, 0, 2]);
	});

	it('keeps all rows, leaves its input unchanged, and orders any values', () => {
		const value = fc.oneof(fc.double(), fc.constant(null));
		fc.assert(
			fc.property(fc.array(value), fc.boolean(), (values, descending) => {
				const copy = [...values];
				const result = sorted(values, descending);
				assert.deepEqual(values, copy);
				assert.deepEqual([...result].map(String).sort(), copy.map(String).sort());
				const numbers = result.filter((entry): entry is number => typeof entry === 'number' && !Number.isNaN(entry));
				for (const [i, entry] of numbers.slice(1).entries()) {
					const before = numbers[i] ?? 0;
					assert.ok(descending ? before >= entry : before <= entry);
				}
			}),
		);
	});
});
