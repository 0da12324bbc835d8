import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answer, normalizationLine } from '../../../../src/core/report/summary.js';
import type { Finding, LayerReport, Normalization, Recompute, RunSummary } from '../../../../src/core/report/types.js';
import { sampleLayer, sampleReport, sampleRun, sampleVerdict } from '../../support/sample-report.js';

/** A report with one layer for each status, called a, b, c … */
function after(run: RunSummary['status'], ...statuses: Recompute['status'][]) {
	const layers = statuses.map((status, index) =>
		sampleLayer({ name: String.fromCharCode(97 + index), recompute: sampleVerdict(status) }),
	);
	return sampleReport({ layers, run: sampleRun(run) });
}

function withFindings(...perLayer: Pick<Finding, 'code' | 'severity'>[][]) {
	const layers: LayerReport[] = perLayer.map((findings, index) =>
		sampleLayer({
			name: `l${index}`,
			findings: findings.map((finding) => ({ ...finding, channels: [], message: '' })),
		}),
	);
	return sampleReport({ layers });
}

test('every state of a run has its own words', () => {
	assert.equal(answer(after('ok', 'match', 'match')), '2 BatchNorm layers, all recomputed to within rounding.');
	assert.equal(answer(after('ok', 'match')), '1 BatchNorm layer, recomputed to within rounding.');
	assert.equal(answer(after('pending', 'pending', 'pending')), '2 BatchNorm layers, not recomputed yet.');
	assert.equal(
		answer(after('pending', 'match', 'pending')),
		'2 BatchNorm layers, 1 recomputed so far, all to within rounding.',
	);
	assert.equal(
		answer(after('failed', 'skipped', 'skipped')),
		'2 BatchNorm layers, not recomputed because the run failed.',
	);
	assert.equal(answer(after('skipped', 'skipped')), '1 BatchNorm layer, not recomputed: the model was not run.');
});

test('a mismatch is never hidden, and names the layers', () => {
	assert.equal(
		answer(after('ok', 'match', 'mismatch', 'skipped')),
		'3 BatchNorm layers, 1 of 2 recomputed differs from what the runtime computed (b).',
	);
	assert.match(answer(after('pending', 'mismatch', 'pending')), /1 of 1 recomputed so far differs/);
	assert.match(answer(after('failed', 'mismatch', 'skipped')), /1 of 1 recomputed differs/);
	assert.match(
		answer(after('skipped', 'match', 'skipped')),
		/1 recomputed to within rounding before the run was ended/,
	);
	const many = answer(after('ok', 'mismatch', 'mismatch', 'mismatch', 'mismatch'));
	assert.match(many, /4 of 4 recomputed differ from .* \(a, b, c and 1 more\)/);
});

test('a layer that was not checked is not called checked', () => {
	assert.match(
		answer(after('ok', 'match', 'skipped')),
		/1 recomputed to within rounding, 1 could not be checked \(b\)/,
	);
	assert.match(answer(after('ok', 'skipped', 'skipped')), /none of which could be recomputed/);
	assert.match(answer(sampleReport({ layers: [] })), /^No BatchNorm layer in this model/);
});

test('findings are counted by layer, warnings and errors only, the gravest first', () => {
	const dead = { code: 'dead-channel', severity: 'warning' } as const;
	const report = withFindings(
		[dead, dead],
		[dead, { code: 'non-finite', severity: 'error' }],
		[{ code: 'epsilon-dominated', severity: 'info' }],
	);
	assert.equal(
		answer(report),
		'3 BatchNorm layers, all recomputed to within rounding; 1 layer has values that are NaN or infinite; 2 layers have dead channels.',
	);
	const codes = [
		...(['zero-variance', 'training-mode', 'never-updated', 'statistics-drift', 'exploding-scale'] as const),
		...(['dead-channel', 'constant-channel'] as const),
	];
	assert.match(
		answer(withFindings(codes.map((code) => ({ code, severity: 'warning' })))),
		/zero variance; 1 layer is in training mode; 1 layer was never trained; .*exploding scales; 2 more kinds of finding\.$/,
	);
});

test('one line says over which axes the layers normalize, judged by their data', () => {
	const judged = (...verdicts: Normalization['verdict'][]) =>
		normalizationLine(
			sampleReport({
				layers: verdicts.map((verdict) =>
					sampleLayer({
						normalization: {
							verdict,
							methods: [],
							values: 9,
							...(verdict === 'cannot-tell' && { reason: 'One value.' }),
						},
					}),
				),
			}),
		);
	assert.equal(
		judged('running', 'running'),
		'Judged by inputs and outputs alone, normalised with the running statistics.',
	);
	assert.match(
		judged('channel', 'running', 'none'),
		/the running statistics in 1 of 3 layers; .*per channel.* in 1 of 3 layers; none/,
	);
	assert.match(
		judged('running', 'cannot-tell'),
		/in 1 of 2 layers\. What .* cannot be told in 1 of 2 layers: One value\.$/,
	);
	const { normalization: _, ...unjudged } = sampleLayer();
	assert.equal(normalizationLine(sampleReport({ layers: [unjudged] })), '');
});
