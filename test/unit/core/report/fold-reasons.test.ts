import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FOLD_REASONS, foldReasons } from '../../../../src/core/report/fold-reasons.js';

test('the clauses of several codes are joined; an unknown code stays as it is', () => {
	const { rank, overflow } = FOLD_REASONS;
	assert.equal(foldReasons(['rank', 'overflow', 'a-later-reason']), `${rank}; ${overflow}; a-later-reason`);
	assert.equal(foldReasons(['toString']), 'toString');
	assert.equal(foldReasons([]), '');
});
