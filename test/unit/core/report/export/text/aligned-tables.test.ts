import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alignTables } from '../../../../../../src/core/report/export/text/aligned-tables.js';

test('columns line up, and all other lines stay', () =>
	assert.equal(
		alignTables('# T\n\n| # | Layer |\n| ---: | --- |\n| 1 | `a` |\n| 12 | `longer` |\n\nend | of text\n'),
		[
			'# T',
			'',
			'|   # | Layer    |',
			'| --: | -------- |',
			'|   1 | `a`      |',
			'|  12 | `longer` |',
			'',
			'end | of text',
			'',
		].join('\n'),
	));
