import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { explainAxes } from '../../../../src/core/report/axes.js';
import type { LayerReport, Normalization } from '../../../../src/core/report/types.js';
import {
	methodCards,
	methodResiduals,
	normalizationNumbers,
	normalizationSentence,
} from '../../../../src/view/model/normalization.js';
import { sampleLayer } from '../../support/sample-report.js';

const sample = sampleLayer().normalization as Normalization;
const cardsOf = (layer: LayerReport) => methodCards(explainAxes(layer));

describe('the methods of a batch, explained on a layer', () => {
	it("say which values are marked, the axes, m' and the number of statistics", () =>
		assert.deepEqual(
			cardsOf(sampleLayer()).map(({ method, lines, own }) => [method, lines, own]),
			[
				[
					'location',
					['Blue: one position, all images and channels', "over N, C: m'\u00a0=\u00a02", '64 means and variances'],
					false,
				],
				[
					'activation',
					['Blue: one position of one channel, all images', "over N: m'\u00a0=\u00a01", '128 means and variances'],
					false,
				],
				[
					'channel',
					['Blue: one channel, all images and positions', "over N, H, W: m'\u00a0=\u00a064", '2 means and variances'],
					true,
				],
			],
		));

	it('mark the method of a layer with spatial=0', () =>
		assert.deepEqual(
			cardsOf(sampleLayer({ axes: 'activation' })).map(({ own }) => own),
			[false, true, false],
		));
});

describe('the statistics that a run used', () => {
	it('include methods with an output error within rounding', () =>
		assert.deepEqual(
			methodResiduals(sample).map(({ method, residual, fits }) => [method, residual, fits]),
			[
				['location', 'off by 1.2\u00a0σ', false],
				['activation', 'off by 1.5\u00a0σ', false],
				['channel', 'off by 0.25\u00a0σ', false],
				['running', 'off by 6e-8\u00a0σ', true],
			],
		));

	it('are unknown before a run', () => {
		assert.deepEqual(methodResiduals(undefined), []);
		assert.match(normalizationSentence(undefined), /not known before a run/);
	});

	it('are named, with the numbers and their margin behind them', () => {
		assert.equal(
			normalizationSentence(sample),
			'the running statistics that the model stores, in place of the batch’s.',
		);
		assert.equal(
			normalizationNumbers(sample),
			'They reproduce the output to 6e-8\u00a0σ; rounding allows 4e-6\u00a0σ. Every other way is off by at least 63,000 times what rounding allows.',
		);
		assert.equal(normalizationNumbers({ ...sample, verdict: 'none' }), '');
	});

	it('are described by the closest method if no method fits, and by a reason if the data cannot decide', () => {
		const { margin: _, ...rest } = sample;
		const wrong = rest.methods.map((entry) => (entry.method === 'running' ? { ...entry, residual: 0.3 } : entry));
		assert.match(
			normalizationSentence({ ...rest, verdict: 'none', methods: wrong }),
			/none that are known\. The closest are those of the batch per channel \(3\), off by 0\.25\u00a0σ/,
		);
		assert.match(
			normalizationSentence({ verdict: 'cannot-tell', reason: 'All are equal.', methods: [], values: 0 }),
			/cannot show them\. All are equal\.$/,
		);
	});
});
