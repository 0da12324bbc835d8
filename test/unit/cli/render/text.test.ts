import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTable } from '../../../../src/cli/render/text.js';

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

test('a table of 200,000 rows does not overflow the stack', () => {
	const rows = Array.from({ length: 200_000 }, (_, index) => [String(index)]);
	const table = formatTable([{ title: 'n', align: 'right' }], rows);
	assert.equal(table.split('\n').at(-1), '199999');
});
