import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
	type CheckedItem,
	checkAnswer,
	checkMarkdown,
	checkResult,
} from '../../../../../src/core/report/export/check-result.js';
import { comparisonToSarif } from '../../../../../src/core/report/export/comparison/sarif.js';
import { toJunit } from '../../../../../src/core/report/export/junit.js';
import { mergeJunit, mergeSarif } from '../../../../../src/core/report/export/merge-exports.js';
import { toSarif } from '../../../../../src/core/report/export/sarif.js';
import { DANGEROUS, HOSTILE_NAMES, hostileComparison, hostileReport } from '../../../support/hostile.js';
import { sampleReport } from '../../../support/sample-report.js';
import { sarifProblems } from '../../../support/sarif-schema.js';
import { activeMarkdown, wellFormedXml } from '../../../support/well-formed.js';

const item = (status: number, more: Partial<CheckedItem> = {}): CheckedItem => ({
	model: 'models/net.onnx',
	status,
	answer: 'A sentence.',
	findings: [],
	...more,
});

test('the status of a finding comes before that of a model that was not judged', () => {
	const status = (...all: number[]) => checkResult(all.map((one) => item(one))).status;
	assert.deepEqual([status(), status(0, 0), status(0, 2), status(2, 1), status(1, 0)], [0, 0, 2, 1, 1]);
	const answer = (...all: number[]) => checkAnswer(checkResult(all.map((one) => item(one))));
	assert.equal(answer(0), 'The check passed.');
	assert.equal(answer(0, 0), 'Both checks passed.');
	assert.equal(answer(0, 1, 2), 'Of 3 checks, 1 failed and 1 could not be judged.');
});

test('the summary lists new findings that fail, and vanished ones', () => {
	const finding = { code: 'dead-channel', severity: 'warning', layer: 'bn', message: 'Channel 1 is dead.' } as const;
	const vanished = [{ id: '0', code: 'never-updated', severity: 'info', message: '' } as const];
	const findings = [finding, { ...finding, layer: 'known', known: true as const }];
	const result = checkResult([item(1, { findings, baseline: { known: 1, fresh: 1, vanished } }), item(0)]);
	const text = checkMarkdown(result, 'warning');
	assert.match(text, /^\| Model \| Result \| Conclusion \| New \| Known \| Gone \|$/m);
	assert.match(text, /^\| `models\/net\.onnx` \| \*\*failed\*\* \| A sentence\. \| 1 \| 1 \| 1 \|$/m);
	assert.match(text, /^\| `models\/net\.onnx` \| passed \| A sentence\. \| {2}\| {2}\| {2}\|$/m);
	assert.match(text, /^- \*\*warning\*\* `dead-channel`: `bn`: Channel 1 is dead\.$/m);
	assert.doesNotMatch(text, /`known`/);
	assert.match(text, /1 gone: never-updated\./);
	assert.doesNotMatch(checkMarkdown(result, 'error'), /dead-channel/);
});

test('a summary of many findings stays far below 1 MB, and hostile names stay inert in it', () => {
	const findings = Array.from({ length: 2000 }, (_, index) => {
		const name = HOSTILE_NAMES[index % HOSTILE_NAMES.length];
		return { code: 'dead-channel', severity: 'error', layer: name, message: name } as const;
	});
	const many = checkResult(HOSTILE_NAMES.map((model) => item(1, { model, original: model, answer: model, findings })));
	const text = checkMarkdown(many, 'info');
	assert.ok(text.length < 5e5, `${text.length} characters`);
	assert.match(text, /^- 1950 more findings\.$/m);
	assert.doesNotMatch(text, DANGEROUS);
	assert.doesNotMatch(activeMarkdown(text), /[<>[\]`!&~]|:\/\/|www\.|@|\w\.example|javascript:/);
});

test('SARIF logs merge into one run with the rules of each once', () => {
	const options = { uri: 'models/net.onnx', version: '1.2.3' };
	const logs = [
		toSarif(hostileReport(), options),
		comparisonToSarif(hostileComparison(), options),
		toSarif(sampleReport(), options),
	];
	const merged = JSON.parse(JSON.stringify(mergeSarif(logs)));
	assert.deepEqual(sarifProblems(merged), []);
	const [{ tool, results, invocations }, ...others] = merged.runs;
	assert.deepEqual([others.length, invocations.length], [0, 3]);
	const all = logs.flatMap((log) => JSON.parse(JSON.stringify(log)).runs[0].results);
	assert.equal(results.length, all.length);
	const ids = tool.driver.rules.map(({ id }: { id: string }) => id);
	assert.equal(new Set(ids).size, ids.length);
	for (const { ruleId, ruleIndex } of results) {
		assert.equal(ids[ruleIndex], ruleId);
	}
});

test('JUnit documents merge into one with the sums of their totals', () => {
	const documents = [hostileReport(), sampleReport()].map((report) => toJunit(report, { failOn: 'info' }));
	const merged = mergeJunit(documents);
	const names = wellFormedXml(merged);
	const count = (name: string) => names.filter((one) => one === name).length;
	assert.deepEqual([count('testsuites'), count('testsuite')], [1, 2]);
	assert.equal(
		count('testcase'),
		documents.flatMap((text) => wellFormedXml(text)).filter((name) => name === 'testcase').length,
	);
	assert.match(merged, new RegExp(`^<testsuites tests="${count('testcase')}" failures="${count('failure')}"`, 'm'));
});
