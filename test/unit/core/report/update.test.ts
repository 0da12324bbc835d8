import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Recompute } from '../../../../src/core/report/types.js';
import { applyEvent, endRun, interruptedRun } from '../../../../src/core/report/update.js';
import { pendingReport } from '../../support/reports.js';
import { MATCH, sampleLayer, sampleReport, sampleRun, sampleVerdict } from '../../support/sample-report.js';

const layersOf = (...statuses: Recompute['status'][]) =>
	statuses.map((status, index) => sampleLayer({ name: `bn${index}`, recompute: sampleVerdict(status) }));

test('each event adds its part and shares the rest', () => {
	const structure = pendingReport('a', 'b');
	assert.equal(applyEvent(undefined, { type: 'structure', report: structure }), structure);
	const layer = { ...structure.layers[1], recompute: MATCH };
	const checked = applyEvent(structure, { type: 'layer', index: 1, layer });
	assert.deepEqual(checked, { ...structure, layers: [structure.layers[0], layer] });
	assert.equal(checked.layers[0], structure.layers[0]);
	assert.equal(structure.layers[1].recompute.status, 'pending');
	const run = sampleRun('ok');
	assert.deepEqual(applyEvent(checked, { type: 'run', run }), { ...checked, run });
});

test('an event for an unknown layer leaves the report unchanged', () => {
	const report = pendingReport('a', 'b');
	for (const index of [0, 2, -1, 0.5]) {
		assert.equal(applyEvent(report, { type: 'layer', index, layer: report.layers[1] }), report);
	}
	assert.equal(applyEvent(undefined, { type: 'layer', index: 0, layer: report.layers[0] }), undefined);
	assert.equal(applyEvent(undefined, { type: 'run', run: sampleRun('ok') }), undefined);
});

test('the end of a run gives pending layers a reason and leaves every verdict', () => {
	const layers = layersOf('match', 'pending', 'mismatch', 'skipped');
	const before = sampleReport({ layers, run: sampleRun('pending') });
	for (const run of [sampleRun('ok'), sampleRun('failed'), sampleRun('skipped')]) {
		const after = endRun(before, run, 'Not checked: the run stopped.');
		assert.equal(after.run, run);
		assert.deepEqual(after.layers[1].recompute, { status: 'skipped', reason: 'Not checked: the run stopped.' });
		assert.deepEqual({ ...after.layers[1], recompute: null }, { ...layers[1], recompute: null });
		for (const index of [0, 2, 3]) {
			assert.equal(after.layers[index], layers[index]);
		}
	}
	assert.equal(before.layers[1].recompute.status, 'pending');
});

test('an interrupted run keeps its inputs, its times and the runtime', () => {
	const { runtime, inputs, milliseconds } = sampleRun('pending');
	const facts = { runtime, inputs, milliseconds };
	const end = { status: 'failed', reason: 'Stopped.', failedAt: 'model' } as const;
	for (const run of [sampleRun('pending'), sampleRun('failed')]) {
		assert.deepEqual(interruptedRun(run, end), { ...end, ...facts });
	}
});
