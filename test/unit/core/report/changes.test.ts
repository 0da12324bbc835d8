import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyChanges, reportChanges } from '../../../../src/core/report/changes.js';
import type { LayerReport, Report } from '../../../../src/core/report/types.js';
import { pendingReport } from '../../support/reports.js';
import { MATCH, sampleLayer, sampleReport, sampleRun } from '../../support/sample-report.js';

const withLayer = (report: Report, index: number, part: Partial<LayerReport>): Report => ({
	...report,
	layers: report.layers.with(index, { ...report.layers[index], ...part }),
});

test('changes hold only the fields that differ, and make the later report of the earlier', () => {
	const before = sampleReport({
		layers: ['a', 'b', 'c'].map((name) => sampleLayer({ name })),
		run: sampleRun('pending'),
	});
	const checked = withLayer(before, 1, { recompute: { ...MATCH, maxAbs: Number.NaN }, remark: 'seen' } as object);
	// A report from another process shares no object.
	const after = structuredClone({ ...checked, run: sampleRun('ok') });
	const changes = reportChanges(before, after);
	assert.deepEqual(
		changes?.layers.map(({ index, fields }) => [index, Object.keys(fields)]),
		[[1, ['recompute', 'remark']]],
	);
	assert.deepEqual(changes?.rest?.run, after.run);
	const applied = changes && applyChanges(before, changes);
	assert.deepEqual(applied, after);
	assert.equal(applied?.layers[0], before.layers[0]);
	assert.equal(applied?.layers[1].parameters, before.layers[1].parameters);
});

test('an equal report changes nothing, whatever its numbers', () => {
	const numbers = Float64Array.of(Number.NaN, -0, Number.POSITIVE_INFINITY);
	const report = withLayer(sampleReport(), 0, { affine: { scale: numbers, shift: numbers } });
	assert.deepEqual(reportChanges(report, structuredClone(report)), { layers: [] });
	const other = withLayer(report, 0, { affine: { scale: Float64Array.of(Number.NaN, 0, 1), shift: numbers } });
	assert.deepEqual(Object.keys(reportChanges(report, other)?.layers[0].fields ?? {}), ['affine']);
});

test('a field that is gone is removed', () => {
	const before = withLayer(pendingReport('a'), 0, { inputShape: [1, 2] });
	const after = pendingReport('a');
	const changes = reportChanges(before, after);
	assert.deepEqual(changes, { layers: [{ index: 0, fields: {}, removed: ['inputShape'] }] });
	assert.deepEqual(applyChanges(before, changes ?? assert.fail()), after);
});

test('reports of other layers have no changes between them', () => {
	const report = pendingReport('a', 'b');
	for (const other of [pendingReport('a'), pendingReport('b', 'a'), pendingReport('a', 'b', 'c')]) {
		assert.equal(reportChanges(report, other), undefined);
	}
});
