import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CAUSE_CODES, PLACEMENT_CAUSES } from '../../../../../src/core/report/causes.js';
import { DAMAGES, PAIRS, SINGLES } from '../../../../folding/cases.js';
import { FAULTS } from '../../../../folding/faults.js';
import { realLayers } from '../../../../folding/real-networks.js';
import { type Outcome, runCase } from '../../../../folding/run.js';
import { tally } from '../../../../folding/table.js';

/** A share of the cases that `node test/folding/confusion.mjs` runs, other ones than those in CONFUSION.md. */
const SEED = 700_000;

test('the generator knows every cause of the catalog that a fold can have', () => {
	const made = new Set(FAULTS.map(({ code }) => code));
	// Padding and placement are matters of structure, and the last two are said when no cause can be.
	const others = ['forward-fold-padding', ...PLACEMENT_CAUSES, 'not-identifiable', 'unknown'];
	assert.deepEqual(
		CAUSE_CODES.filter((code) => !made.has(code)),
		others,
	);
});

test('a wrongly folded layer is found and named, and never named wrongly with confidence', async () => {
	const real = await realLayers();
	assert.ok(real.length >= 12, `${real.length} layers of real networks`);
	const outcomes: Outcome[] = [];
	for (const set of [...SINGLES, ...SINGLES, ...SINGLES, ...DAMAGES]) {
		outcomes.push(await runCase(set, SEED + outcomes.length, real));
	}
	// A fifth of the pairs, spread over all of them.
	for (let index = 0; index < PAIRS.length; index += 5) {
		outcomes.push(await runCase(PAIRS[index], SEED + outcomes.length, real));
	}
	const { identifiable, right, confidentlyWrong, layerMissed } = tally(outcomes);
	const wrong = outcomes
		.filter((outcome) => outcome.identifiable && outcome.named !== outcome.expected)
		.map(({ seed, expected, named }) => `${seed}: ${expected} named ${named}`);
	assert.ok(identifiable > 0.6 * outcomes.length, `${identifiable} of ${outcomes.length} identifiable`);
	assert.ok(right >= 0.98 * identifiable, wrong.join('\n'));
	assert.deepEqual([confidentlyWrong, layerMissed], [0, 0], wrong.join('\n'));
});

test('the same seed makes the same case', async () => {
	const [first, second] = [await runCase(PAIRS[40], 5), await runCase(PAIRS[40], 5)];
	assert.deepEqual(first.layer, second.layer);
});
