import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
	columnFormatter,
	formatBytes,
	formatMilliseconds,
	formatNumber,
	formatRange,
	formatRatio,
	ratioOf,
	shortNumber,
} from '../../../../src/core/text/numbers.js';

describe('formatNumber', () => {
	it('keeps four digits and drops trailing zeros', () => {
		const cases: readonly [number, string][] = [
			[0, '0'],
			[-0, '0'],
			[1, '1'],
			[0.1 + 0.2, '0.3'],
			[1234.5678, '1235'],
			[-0.0001234567, '-0.0001235'],
			[Math.fround(1e-5), '1e-5'],
			[4.7684e-7, '4.768e-7'],
			[12_345_678, '1.235e7'],
			[999_999.9, '1e6'],
			[1.7976e308, '1.798e308'],
		];
		for (const [value, text] of cases) {
			assert.equal(formatNumber(value), text);
		}
	});

	it('writes NaN and infinities as words', () => {
		assert.deepEqual(
			[Number.NaN, 1 / 0, -1 / 0].map((value) => formatNumber(value)),
			['NaN', 'infinity', '-infinity'],
		);
	});

	it('reads back to within half a unit of its last digit', () => {
		fc.assert(
			fc.property(fc.double({ min: -1e308, max: 1e308, noNaN: true }), (value) => {
				const back = Number(formatNumber(value));
				assert.ok(Math.abs(back - value) <= 5.1e-4 * Math.abs(value) + Number.MIN_VALUE);
			}),
		);
	});
});

describe('columnFormatter', () => {
	it('gives a column one number of decimals, so that points line up', () => {
		const values = [0.5, 12.25, -3];
		assert.deepEqual(values.map(columnFormatter(values)), ['0.500', '12.250', '-3.000']);
	});

	it('does not round small values away', () => {
		const values = [1, 3e-7, 0];
		assert.deepEqual(values.map(columnFormatter(values)), ['1.0000', '3.0e-7', '0.0000']);
	});

	it('writes powers of ten where all values are tiny or huge', () => {
		assert.deepEqual([4.77e-7, 0].map(columnFormatter([4.77e-7, 0])), ['4.77e-7', '0']);
		assert.deepEqual([2e9].map(columnFormatter([2e9])), ['2.00e9']);
	});

	it('ignores NaN and infinities when it chooses the format', () => {
		const values = [Number.POSITIVE_INFINITY, 0.25, Number.NaN];
		assert.deepEqual(values.map(columnFormatter(values)), ['infinity', '0.25000', 'NaN']);
	});
});

describe('formatRange', () => {
	it('shows the smallest and the largest value, and counts values that are not finite', () => {
		assert.equal(formatRange([1, -2, 3]), '-2 to 3');
		assert.equal(formatRange([1, 1]), '1');
		assert.equal(formatRange([1, Number.NaN, Number.NEGATIVE_INFINITY]), '1, 2 not finite');
		assert.equal(formatRange([Number.NaN]), '1 not finite');
		assert.equal(formatRange([]), '');
	});
});

describe('shortNumber', () => {
	it('keeps three digits, and all digits of an integer', () => {
		assert.deepEqual([0.0012345, 386.07, 12544, 65504, 2.7812e-5, -1.5, 0].map(shortNumber), [
			'0.00123',
			'386',
			'12544',
			'65504',
			'2.78e-5',
			'-1.5',
			'0',
		]);
	});
});

describe('formatBytes and formatMilliseconds', () => {
	it('use decimal units of size', () => {
		assert.deepEqual([0, 1, 999, 1000, 14_158_734, 999_960_000, 3e12].map(formatBytes), [
			'0 bytes',
			'1 byte',
			'999 bytes',
			'1.0 kB',
			'14.2 MB',
			'1.0 GB',
			'3.0 TB',
		]);
	});

	it('change to seconds from 1000 ms on', () =>
		assert.deepEqual([0.4, 641.2, 1530].map(formatMilliseconds), ['0 ms', '641 ms', '1.5 s']));
});

describe('formatRatio', () => {
	it('gives a share of the limit in percent, and multiples beyond it', () =>
		assert.deepEqual([0, 0.0001, 0.284, 1, 1.5, 31.4159, 12_345, Number.POSITIVE_INFINITY].map(formatRatio), [
			'0 %',
			'<1 %',
			'28 %',
			'100 %',
			'1.5 times',
			'31 times',
			'12,000 times',
			'infinity times',
		]));

	it('leads over to the limit', () => assert.deepEqual([0.284, 31.4].map(ratioOf), ['28 % of', '31 times']));
});
