import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FORM_KINDS, runForm } from '../../../../folding/forms.js';

/** A share of the pairs that `node test/folding/forms.mjs` compares, other ones than those in FORMS.md. */
const SEED = 700_000;
const SHARE = 4;

test('the table has enough kinds of structure', () => {
	assert.ok(FORM_KINDS.length >= 40, `${FORM_KINDS.length} kinds`);
	assert.equal(new Set(FORM_KINDS.map(({ truth, name }) => `${truth} ${name}`)).size, FORM_KINDS.length);
});

test('correct folds in other forms count as correct, and wrong folds are named', async () => {
	for (let index = 1; index < FORM_KINDS.length; index += SHARE) {
		const { kind, isRight, isConfidentlyWrong } = await runForm(FORM_KINDS[index], SEED + index);
		assert.deepEqual([isRight, isConfidentlyWrong], [true, false], `${kind.truth}: ${kind.name}`);
	}
});
