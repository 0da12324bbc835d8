import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Finding, LayerReport } from '../../../../src/core/report/types.js';
import { filterLayers } from '../../../../src/view/model/layer-columns.js';
import {
	boundRatio,
	findingWeight,
	flaggedChannels,
	layerFacts,
	reportTone,
} from '../../../../src/view/shared/layer-facts.js';
import { sampleLayer, sampleReport, sampleRun, sampleVerdict } from '../../support/sample-report.js';

const finding = (
	severity: Finding['severity'],
	channels: readonly number[],
	code: Finding['code'] = 'exploding-scale',
): Finding => ({
	code,
	severity,
	channels,
	message: '',
});

describe('the facts of a layer', () => {
	it('gather findings by channel, and are computed once', () => {
		const layer = sampleLayer({ findings: [finding('info', [1]), finding('error', [0, 1])] });
		const facts = layerFacts(layer);
		assert.equal(facts.severity, 'error');
		assert.deepEqual(
			[...facts.flags].map(([channel, found]) => [channel, found.length]),
			[
				[1, 2],
				[0, 1],
			],
		);
		assert.equal(layerFacts(layer), facts);
	});

	it('mark channels with more than a note', () =>
		assert.deepEqual(flaggedChannels(sampleLayer({ findings: [finding('info', [0]), finding('warning', [1])] })), [1]));

	it('weigh a finding by severity, effect and share, in this order', () => {
		const layer = sampleLayer();
		const weights = [
			finding('error', [0]),
			finding('warning', [0, 1]),
			finding('warning', [0]),
			finding('warning', [0, 1], 'dead-channel'),
			finding('info', [0, 1]),
		].map((one) => findingWeight(one, layer));
		assert.deepEqual(
			weights,
			[...weights].sort((a, b) => b - a),
		);
		assert.equal(new Set(weights).size, weights.length);
	});

	it('know how much of its bound an error uses', () => {
		assert.equal(boundRatio(sampleLayer()), 0.03);
		assert.equal(boundRatio(sampleLayer({ recompute: { status: 'match', maxAbs: 1, bound: 4 } })), 0.25);
		assert.equal(boundRatio(sampleLayer({ recompute: { status: 'match', maxAbs: 0, bound: 0 } })), 0);
		assert.equal(boundRatio(sampleLayer({ recompute: { status: 'pending' } })), null);
	});
});

describe('how serious a report is', () => {
	const tone = (layer: Partial<LayerReport>, status: 'ok' | 'pending' | 'failed' | 'skipped' = 'ok') => {
		const report = sampleReport({ layers: [sampleLayer(layer)] });
		return reportTone({ ...report, run: sampleRun(status) });
	};

	it('follows the worst that is known', () => {
		assert.equal(tone({}), 'good');
		assert.equal(tone({}, 'pending'), 'muted');
		assert.equal(tone({}, 'skipped'), 'info');
		assert.equal(tone({}, 'failed'), 'error');
		assert.equal(tone({ findings: [finding('info', [0])] }), 'good');
		assert.equal(tone({ findings: [finding('warning', [0])] }, 'pending'), 'warning');
		// A channel that is always 0 changes no result.
		assert.equal(tone({ findings: [finding('warning', [0], 'dead-channel')] }), 'info');
		assert.equal(tone({ recompute: sampleVerdict('mismatch') }), 'error');
	});
});

describe('the filter', () => {
	const rows = [
		sampleLayer({ name: 'stem.bn', source: { op: 'Conv', name: 'stem.conv' } }),
		sampleLayer({ name: 'head.bn', source: null, findings: [finding('warning', [0])] }),
		sampleLayer({ name: 'tail.bn', recompute: sampleVerdict('skipped') }),
	].map((layer, index) => ({ index, layer }));
	const left = (filter: string) => filterLayers(rows, filter).map(({ index }) => index);

	it('requires every word, at any place and in any case', () => {
		assert.deepEqual(left(''), [0, 1, 2]);
		assert.deepEqual(left('  BN  conv '), [0, 2]);
		assert.deepEqual(left('graph input'), [1]);
		assert.deepEqual(left('exploding'), [1]);
		assert.deepEqual(left('skipped'), [2]);
		assert.deepEqual(left('.*'), []);
	});
});
