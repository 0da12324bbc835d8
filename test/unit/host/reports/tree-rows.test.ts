import assert from 'node:assert/strict';
import { test } from 'node:test';
import { treeRow } from '../../../../src/host/reports/tree-rows.js';
import { DANGEROUS, hostileReport } from '../../support/hostile.js';
import { sampleLayer } from '../../support/sample-report.js';

const dead = { code: 'dead-channel', severity: 'warning', channels: [0, 1], message: 'Both are dead.' } as const;

test("a row names the layer's source, its width and its findings", () => {
	const { label, description, tooltip, state } = treeRow(
		sampleLayer({ name: '/features/features.1/BatchNormalization', findings: [dead] }),
	);
	assert.equal(label, '/features/features.1');
	assert.equal(description, 'always 0: 2 of 2 · Conv · 2 ch');
	assert.equal(tooltip, '/features/features.1/BatchNormalization\nmatch\nBoth are dead.');
	assert.equal(state, 'warning');
});

test('the state is the worst finding, else the verdict', () => {
	const info = { ...dead, severity: 'info' } as const;
	const error = { ...dead, severity: 'error' } as const;
	const states = [
		sampleLayer(),
		sampleLayer({ findings: [info] }),
		sampleLayer({ findings: [info, error, dead] }),
		sampleLayer({ recompute: { status: 'mismatch', reason: 'It differs.' } }),
		sampleLayer({ recompute: { status: 'pending' } }),
		sampleLayer({ recompute: { status: 'skipped', reason: 'Inside of a loop.' } }),
	].map((layer) => treeRow(layer).state);
	assert.deepEqual(states, ['match', 'info', 'error', 'error', 'pending', 'skipped']);
});

test('hostile names stay on their line', () => {
	for (const layer of hostileReport().layers) {
		const { label, description, tooltip } = treeRow(layer);
		assert.doesNotMatch(label + description, /\n|\r|\t/);
		assert.doesNotMatch(label + description + tooltip, DANGEROUS);
		assert.ok(label.length <= 1000 && tooltip.length < 20_000, layer.name.slice(0, 40));
	}
});
