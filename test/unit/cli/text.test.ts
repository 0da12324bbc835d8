import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTable } from '../../../src/cli/text.js';

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
