import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparisonStatus } from '../../../../../src/cli/exit.js';
import type { BaselineEntry } from '../../../../../src/core/report/baseline.js';
import type { Comparison } from '../../../../../src/core/report/comparison/comparison.js';
import { encodeComparison, parseComparison } from '../../../../../src/core/report/comparison/json.js';
import { comparisonToJunit } from '../../../../../src/core/report/export/comparison/junit.js';
import { comparisonToMarkdown } from '../../../../../src/core/report/export/comparison/markdown.js';
import { comparisonToSarif } from '../../../../../src/core/report/export/comparison/sarif.js';
import {
	acceptedMismatches,
	applyBaselineToComparison,
	mismatchIds,
} from '../../../../../src/core/report/fingerprint/known-mismatches.js';
import { comparedLayer, sampleComparison, wrongEpsilon } from '../../../support/sample-comparison.js';

const wrong = (name: string, fingerprint: string) => ({ ...wrongEpsilon(name, 4), fingerprint });
const right = comparedLayer({ name: 'right', channels: 2 });
const differ = { status: 'mismatch', maxAbs: 0.02, maxRel: 0.003, bound: 8e-6, firstLayer: 'a' } as const;
const before = sampleComparison([wrong('a', 'f1'), right], { outputs: differ });
const entry = (comparison: Comparison): BaselineEntry => ({
	model: 'deployed.onnx',
	original: 'original.onnx',
	findings: acceptedMismatches(comparison, undefined),
});

test('a known wrong layer and known outputs do not fail, a new wrong layer and another cause do', () => {
	assert.equal(comparisonStatus(before, 'error'), 1);
	const known = applyBaselineToComparison(before, entry(before));
	assert.equal(comparisonStatus(known, 'error'), 0);
	assert.deepEqual(known.baseline, { known: 2, fresh: 0, vanished: [] });
	assert.deepEqual(parseComparison(JSON.parse(JSON.stringify(encodeComparison(known)))), known);
	const more = sampleComparison([wrong('a', 'f1'), wrong('b', 'f2')], { outputs: differ });
	const judged = applyBaselineToComparison(more, entry(before));
	assert.deepEqual([judged.baseline?.known, judged.baseline?.fresh], [2, 1]);
	assert.equal(comparisonStatus(judged, 'error'), 1);
	const other = { ...wrong('a', 'f1'), cause: 'beta-dropped', causes: ['beta-dropped'] } as const;
	const changed = applyBaselineToComparison(sampleComparison([other, right], { outputs: differ }), entry(before));
	assert.equal(comparisonStatus(changed, 'error'), 1);
	assert.equal(changed.baseline?.vanished[0]?.code, 'wrong-epsilon');
});

test('renamed and reordered layers keep their identifiers, and numbers do not enter them', () => {
	const renamed = sampleComparison([right, { ...wrong('x/1', 'f1'), maxAbs: 9, confidence: 0.5, evidence: 'Other.' }], {
		outputs: { ...differ, firstLayer: 'x/1', maxAbs: 1 },
	});
	assert.deepEqual(new Set(mismatchIds(renamed).all), new Set(mismatchIds(before).all));
	assert.notDeepEqual(mismatchIds(sampleComparison([wrong('a', 'f2')])).all, mismatchIds(before).all.slice(0, 1));
	assert.notEqual(
		mismatchIds(sampleComparison([right], { outputs: { ...differ, firstLayer: undefined } })).outputs,
		mismatchIds(before).outputs,
	);
});

test('outputs that were not compared have not vanished', () => {
	const skipped = sampleComparison([right], { outputs: { status: 'skipped', reason: 'Running was switched off.' } });
	const { baseline } = applyBaselineToComparison(skipped, entry(before));
	assert.deepEqual(
		baseline?.vanished.map(({ code, layer }) => [code, layer]),
		[['wrong-epsilon', 'a']],
	);
	assert.deepEqual(
		acceptedMismatches(skipped, entry(before)).map(({ code }) => code),
		['outputs-differ'],
	);
});

test('SARIF, JUnit and Markdown show known findings as known', () => {
	const more = sampleComparison([wrong('a', 'f1'), wrong('b', 'f2')], { outputs: differ });
	const judged = applyBaselineToComparison(more, entry(before));
	const log = JSON.stringify(comparisonToSarif(judged, { uri: 'deployed.onnx', version: '1.2.3' }));
	const { results } = JSON.parse(log).runs[0];
	assert.deepEqual(
		results.map((result: { baselineState: string }) => result.baselineState),
		['unchanged', 'unchanged', 'new'],
	);
	const prints = results.map((result: { partialFingerprints: Record<string, string> }) => result.partialFingerprints);
	assert.equal(
		new Set(prints.map(({ primaryLocationLineHash }: Record<string, string>) => primaryLocationLineHash)).size,
		3,
	);
	assert.doesNotMatch(JSON.stringify(comparisonToSarif(before, { uri: '', version: '' })), /baselineState/);
	const xml = comparisonToJunit(judged, { failOn: 'error' });
	assert.match(xml, /tests="3" failures="1"/);
	assert.match(xml, /<system-out>Against the baseline: 1 new finding, 2 known\.\nknown error outputs-differ: /);
	assert.match(comparisonToMarkdown(judged), /^- known `a`: /m);
	assert.match(comparisonToMarkdown(judged), /^Against the baseline: 1 new finding, 2 known\.$/m);
});
