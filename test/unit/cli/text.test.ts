import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatNumber, formatRange, formatTable, sanitize, shorten } from '../../../src/cli/text.js';

test('nothing that a terminal would obey passes', () => {
	const hostile = 'a\u001b[2Jb\nc\rd\u202ee\u0007\u009b31m';
	const text = sanitize(hostile);
	assert.equal(text, 'a\\u001b[2Jb\\u000ac\\u000dd\\u202ee\\u0007\\u009b31m');
	assert.equal(sanitize('Größe/層_1.weight'), 'Größe/層_1.weight');
});

test('long names keep both ends', () => {
	assert.equal(shorten('abcdefghij', 10), 'abcdefghij');
	assert.equal(shorten('features.0.conv.weight', 12), 'feat….weight');
	assert.equal(shorten('features.0.conv.weight', 12).length, 12);
});

test('numbers are short, and ranges say what is not finite', () => {
	assert.equal(formatNumber(0), '0');
	assert.equal(formatNumber(1.23456), '1.235');
	assert.equal(formatNumber(-0.000012345), '-1.2e-5');
	assert.equal(formatNumber(Number.NaN), 'NaN');
	assert.equal(formatRange([1, -2, 3]), '-2 … 3');
	assert.equal(formatRange([1, 1]), '1');
	assert.equal(formatRange([1, Number.NaN, Number.NEGATIVE_INFINITY]), '1, 2 not finite');
	assert.equal(formatRange([Number.NaN]), '1 not finite');
	assert.equal(formatRange([]), '');
});

test('columns line up', () => {
	const table = formatTable(
		[
			{ title: 'n', align: 'right' },
			{ title: 'name', align: 'left' },
		],
		[
			['1', 'a'],
			['10', 'bb'],
		],
	);
	assert.equal(table, ' n  name\n 1  a\n10  bb');
});
