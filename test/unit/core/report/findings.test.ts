import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
	FINDING_CODES,
	FINDING_MEANINGS,
	FINDINGS,
	type FindingCode,
	findingWords,
	isHarmless,
	needsRun,
} from '../../../../src/core/report/findings.js';
import { SEVERITIES } from '../../../../src/core/report/severity.js';

const schema = JSON.parse(readFileSync('src/core/report/schema.json', 'utf8')).$defs.finding.properties;

test('the JSON Schema allows exactly the codes, meanings and severities of the catalog', () => {
	assert.deepEqual(new Set(schema.code.enum), new Set(FINDING_CODES));
	assert.deepEqual(new Set(schema.meaning.enum), new Set(FINDING_MEANINGS));
	assert.deepEqual(schema.severity.enum, SEVERITIES);
});

test('every meaning belongs to an entry, and every entry to a known meaning', () => {
	const meanings = FINDING_CODES.flatMap((code) => {
		const entry = FINDINGS[code];
		return 'meanings' in entry ? Object.keys(entry.meanings) : [];
	});
	assert.deepEqual(new Set(meanings), new Set(FINDING_MEANINGS));
});

test('titles and badges are unique, and help and advice are sentences', () => {
	const words = FINDING_CODES.flatMap((code) => [
		findingWords({ code }),
		...FINDING_MEANINGS.filter((meaning) => meaning in (Reflect.get(FINDINGS[code], 'meanings') ?? {})).map((meaning) =>
			findingWords({ code, meaning }),
		),
	]);
	assert.equal(words.length, FINDING_CODES.length + FINDING_MEANINGS.length);
	for (const field of ['title', 'badge'] as const) {
		assert.equal(new Set(words.map((entry) => entry[field])).size, words.length, field);
	}
	for (const { help, advice } of words) {
		assert.match(help, /^[A-Z].*\.$/);
		assert.match(advice, /^[A-Z].*\.$/);
	}
});

test('the three meanings of constant-channel have three titles', () => {
	const code = 'constant-channel';
	assert.equal(findingWords({ code }).badge, 'always 0 behind the ReLU');
	assert.equal(findingWords({ code, meaning: 'gamma-zero' }).badge, 'constant');
	assert.equal(findingWords({ code, meaning: 'never-cut' }).badge, 'never cut by the ReLU');
	// A meaning changes nothing for a code that lacks it.
	assert.deepEqual(
		findingWords({ code: 'dead-channel', meaning: 'never-cut' }),
		findingWords({ code: 'dead-channel' }),
	);
});

test('only findings that change no result are harmless', () => {
	const harmless = FINDING_CODES.filter((code) => isHarmless({ code }));
	assert.deepEqual(harmless, ['dead-channel', 'constant-channel', 'unused-by-runtime']);
	assert.equal(isHarmless({ code: 'never-updated', meaning: 'identity-statistics' }), false);
});

test('a code of a later version is shown unchanged', () => {
	assert.equal(findingWords({ code: 'new-code' as FindingCode }).badge, 'new-code');
});

test('knows the findings that only a run reports', () => {
	assert.deepEqual(FINDING_CODES.filter(needsRun), [
		'recompute-mismatch',
		'runtime-fusion-mismatch',
		'statistics-drift',
	]);
});
