import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problemsOf } from '../../../../src/host/reports/problem-list.js';
import { DANGEROUS, hostileReport } from '../../support/hostile.js';
import { sampleLayer, sampleReport } from '../../support/sample-report.js';

test('a problem for each layer and code, with the worst severity and every sentence', () => {
	const findings = [
		{ code: 'dead-channel', severity: 'info', channels: [0], message: 'Channel 0 is dead.' },
		{ code: 'never-updated', severity: 'info', channels: [], message: 'Never trained.' },
		{ code: 'dead-channel', severity: 'warning', channels: [1], message: 'Channel 1 is dead.' },
	] as const;
	const ofModel = [{ code: 'recompute-mismatch', severity: 'error', channels: [], message: 'All differ.' }] as const;
	const layers = [sampleLayer({ findings }), sampleLayer({ name: 'b', findings: findings.slice(0, 1) })];
	assert.deepEqual(problemsOf(sampleReport({ layers, findings: ofModel })), [
		{ layer: undefined, code: 'recompute-mismatch', severity: 'error', message: 'All differ.' },
		{
			layer: 'features.1',
			code: 'dead-channel',
			severity: 'warning',
			message: 'features.1: Channel 0 is dead. Channel 1 is dead.',
		},
		{ layer: 'features.1', code: 'never-updated', severity: 'info', message: 'features.1: Never trained.' },
		{ layer: 'b', code: 'dead-channel', severity: 'info', message: 'b: Channel 0 is dead.' },
	]);
});

test('hostile names stay on one short line', () => {
	for (const { message } of problemsOf(hostileReport())) {
		assert.doesNotMatch(message, /\n|\r|\t/);
		assert.doesNotMatch(message, DANGEROUS);
		assert.ok(message.length < 5000);
	}
});
