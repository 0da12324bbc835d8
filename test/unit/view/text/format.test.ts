import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
	baseName,
	columnFormatter,
	formatBytes,
	formatMilliseconds,
	formatNumber,
	rangeOf,
	shorten,
	visibleText,
} from '../../../../src/view/text/format.js';

describe('formatNumber', () => {
	it('keeps four digits and drops zeros that say nothing', () => {
		const cases: readonly [number, string][] = [
			[0, '0'],
			[-0, '0'],
			[1, '1'],
			[0.1 + 0.2, '0.3'],
			[1234.5678, '1235'],
			[-0.0001234567, '-0.0001235'],
			[Math.fround(1e-5), '1e-5'],
			[4.7684e-7, '4.768e-7'],
			[12_345_678, '1.235e+7'],
			[999_999.9, '1e+6'],
			[1.7976e308, '1.798e+308'],
		];
		for (const [value, text] of cases) {
			assert.equal(formatNumber(value), text);
		}
	});

	it('writes what is not finite as a word', () => {
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
		assert.deepEqual([2e9].map(columnFormatter([2e9])), ['2.00e+9']);
	});

	it('leaves what is not finite out of its judgement', () => {
		const values = [Number.POSITIVE_INFINITY, 0.25, Number.NaN];
		assert.deepEqual(values.map(columnFormatter(values)), ['infinity', '0.25000', 'NaN']);
	});
});

describe('rangeOf', () => {
	it('counts what is not finite apart', () => {
		assert.deepEqual(rangeOf([3, Number.NaN, -1, Number.NEGATIVE_INFINITY]), { min: -1, max: 3, nonFinite: 2 });
	});

	it('has no ends where there is nothing finite', () => {
		assert.deepEqual(rangeOf([]), { min: Number.NaN, max: Number.NaN, nonFinite: 0 });
		assert.deepEqual(rangeOf([Number.NaN]), { min: Number.NaN, max: Number.NaN, nonFinite: 1 });
	});
});

describe('other texts', () => {
	it('sizes are decimal, as file managers show them', () => {
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

	it('times', () => assert.deepEqual([0.4, 641.2, 1530].map(formatMilliseconds), ['0 ms', '641 ms', '1.5 s']));

	it('file names of either platform', () =>
		assert.deepEqual(['/a/b.onnx', 'C:\\models\\b.onnx', 'b.onnx', 'dir/'].map(baseName), [
			'b.onnx',
			'b.onnx',
			'b.onnx',
			'dir/',
		]));

	it('long ones lose their middle', () => {
		assert.equal(shorten('abcdefghij', 10), 'abcdefghij');
		assert.equal(shorten('abcdefghijk', 7), 'abc…ijk');
	});

	it('characters that hide, reorder or break become visible', () =>
		assert.equal(visibleText('a\u202eb\u0007\n\u200bc é 名'), 'a\\u{202E}b\\u{0007}\\u{000A}\\u{200B}c é 名'));
});
