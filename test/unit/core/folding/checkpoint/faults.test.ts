import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAMAGES, SINGLES } from '../../../../folding/cases.js';
import { runCheckpointCase } from '../../../../folding/checkpoint-case.js';
import type { Outcome } from '../../../../folding/run.js';
import { tally } from '../../../../folding/table.js';

const SEED = 900_000;

/** Gemm's beta is an attribute of ONNX, which no checkpoint has. */
const CAUSES = SINGLES.filter(({ name }) => name !== 'gemm-beta-reapplied');

test('a wrongly folded layer of a state_dict is found and named, and never named wrongly with confidence', async () => {
	const outcomes: Outcome[] = [];
	for (const set of [...CAUSES, ...CAUSES, ...DAMAGES]) {
		outcomes.push(await runCheckpointCase(set, SEED + outcomes.length));
	}
	const { identifiable, right, confidentlyWrong, layerMissed } = tally(outcomes);
	const wrong = outcomes
		.filter((outcome) => outcome.identifiable && (outcome.named !== outcome.expected || !outcome.isLayerFound))
		.map(({ seed, kind, expected, named, status }) => `${seed} ${kind}: ${expected} named ${named}, ${status}`);
	assert.ok(new Set(CAUSES.map(({ name }) => name)).size >= 20);
	assert.ok(identifiable > 0.6 * outcomes.length, `${identifiable} of ${outcomes.length} identifiable`);
	assert.ok(right >= 0.95 * identifiable, wrong.join('\n'));
	assert.deepEqual([confidentlyWrong, layerMissed], [0, 0], wrong.join('\n'));
});
