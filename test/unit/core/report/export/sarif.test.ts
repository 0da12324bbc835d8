import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparisonToSarif } from '../../../../../src/core/report/export/comparison/sarif.js';
import { toSarif } from '../../../../../src/core/report/export/sarif.js';
import { FINDING_CODES } from '../../../../../src/core/report/findings.js';
import type { Report } from '../../../../../src/core/report/types.js';
import { DANGEROUS, hostileComparison, hostileReport } from '../../../support/hostile.js';
import { sampleLayer, sampleReport } from '../../../support/sample-report.js';
import { sarifProblems } from '../../../support/sarif-schema.js';

interface Log {
	readonly runs: readonly [
		{
			readonly tool: { readonly driver: { readonly rules: readonly { readonly id: string }[] } };
			readonly invocations: readonly [
				{
					readonly executionSuccessful: boolean;
					readonly toolExecutionNotifications?: readonly { readonly message: { readonly text: string } }[];
				},
			];
			readonly results: readonly {
				readonly ruleId: string;
				readonly ruleIndex: number;
				readonly level: string;
				readonly message: { readonly text: string };
				readonly partialFingerprints: { readonly primaryLocationLineHash: string };
			}[];
		},
	];
}

function sarif(report: Report): Log['runs'][0] {
	const log = JSON.parse(JSON.stringify(toSarif(report, { uri: 'models/net.onnx', version: '1.2.3' })));
	assert.deepEqual(sarifProblems(log), []);
	return (log as Log).runs[0];
}

test('a comparison follows the schema, too', () => {
	const options = { uri: 'models/net.onnx', version: '1.2.3' };
	assert.deepEqual(sarifProblems(comparisonToSarif(hostileComparison(), options)), []);
});

test('the schema refuses a document that is not SARIF', () => {
	assert.notDeepEqual(sarifProblems({ version: '2.1.0', runs: [{ tool: {} }] }), []);
	const level = { tool: { driver: { name: 'x' } }, results: [{ level: 'bad' }] };
	assert.notDeepEqual(sarifProblems({ version: '2.1.0', runs: [level] }), []);
});

test('a rule for each code, a result for each finding', () => {
	const findings = [
		{ code: 'dead-channel', severity: 'warning', channels: [1], message: 'Channel 1 is dead.' },
		{ code: 'never-updated', severity: 'info', channels: [], message: 'Never trained.' },
	] as const;
	const ofModel = [{ code: 'recompute-mismatch', severity: 'error', channels: [], message: 'All differ.' }] as const;
	const { tool, results, invocations } = sarif(
		sampleReport({ layers: [sampleLayer({ findings })], findings: ofModel }),
	);
	assert.deepEqual(
		tool.driver.rules.map(({ id }) => id),
		FINDING_CODES,
	);
	assert.deepEqual(
		results.map(({ ruleId, ruleIndex, level, message }) => [ruleId, FINDING_CODES[ruleIndex], level, message.text]),
		[
			['recompute-mismatch', 'recompute-mismatch', 'error', 'All differ.'],
			['dead-channel', 'dead-channel', 'warning', 'features.1: Channel 1 is dead.'],
			['never-updated', 'never-updated', 'note', 'features.1: Never trained.'],
		],
	);
	assert.equal(invocations[0].executionSuccessful, true);
});

test('fingerprints distinguish findings and stay the same between runs', () => {
	const finding = { code: 'dead-channel', severity: 'warning', channels: [], message: 'Dead.' } as const;
	const prints = (message: string) =>
		sarif(
			sampleReport({
				layers: ['a', 'b'].map((name) => sampleLayer({ name, findings: [{ ...finding, message }] })),
			}),
		).results.map(({ partialFingerprints }) => partialFingerprints.primaryLocationLineHash);
	const before = prints('Gamma is 1e-9.');
	assert.equal(new Set(before).size, 2);
	assert.deepEqual(prints('Gamma is 2e-9.'), before);
	assert.match(before[0], /^[0-9a-f]{16}:1$/);
});

test('a model that the runtime refused is not passed off as checked', () => {
	const run = { status: 'failed', reason: 'No kernel for Foo.', runtime: '', inputs: [], milliseconds: {} } as const;
	const [invocation] = sarif(sampleReport({ run })).invocations;
	assert.equal(invocation.executionSuccessful, false);
	assert.equal(invocation.toolExecutionNotifications?.[0]?.message.text, 'No kernel for Foo.');
});

test('hostile names make no link, no placeholder and no direction change', () => {
	const { results } = sarif(hostileReport());
	for (const { message } of results) {
		assert.doesNotMatch(message.text, DANGEROUS);
		assert.doesNotMatch(message.text.replace(/\\[\\[\]]/g, ''), /[[\]]/);
		assert.doesNotMatch(message.text.replaceAll('{{', '').replaceAll('}}', ''), /[{}]/);
		assert.ok(message.text.length < 10_000);
	}
});
