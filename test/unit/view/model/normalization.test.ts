import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LayerReport, Normalization } from '../../../../src/core/report/types.js';
import { explainAxes } from '../../../../src/view/model/axes.js';
import { methodCards, normalizationSentence } from '../../../../src/view/model/normalization.js';
import { sampleLayer } from '../../support/sample-report.js';

const sample = sampleLayer().normalization as Normalization;
const cardsOf = (layer: LayerReport) => methodCards(layer, explainAxes(layer));

describe('the methods of normalising, explained on a layer', () => {
	it('each says what it averages, how many statistics it has and how far off it is', () => {
		assert.deepEqual(
			cardsOf(sampleLayer()).map(({ method, lines, residual, fits, own }) => [method, lines, residual, fits, own]),
			[
				['location', ['over N, C', "m' = 1 × 2 =\u00a02", '64 statistics'], 'off by 1.2\u00a0σ', false, false],
				['activation', ['over N', "m' = 1", '128 statistics'], 'off by 1.5\u00a0σ', false, false],
				['channel', ['over N, H, W', "m' = 1 × 8 × 8 =\u00a064", '2 statistics'], 'off by 0.25\u00a0σ', false, true],
				['running', ['stored in the model', '2 statistics'], 'off by 6e-8\u00a0σ', true, false],
			],
		);
	});

	it('before a run there are the three methods of the batch, in symbols, and no residual', () => {
		const { normalization: _, inputShape: __, ...layer } = sampleLayer();
		const cards = cardsOf(layer);
		assert.deepEqual(
			cards.map(({ lines, residual, fits }) => [lines[1], residual, fits]),
			[
				["m' = N × C", '', false],
				["m' = N", '', false],
				["m' = N × H × W", '', false],
			],
		);
		assert.match(normalizationSentence(undefined), /run of the model shows/);
	});

	it('one sentence gives the verdict with its margin', () =>
		assert.equal(
			normalizationSentence(sample),
			'Judged by this layer’s data alone, its output was made with the stored running statistics: off by 6e-8\u00a0σ, rounding explains 4e-6\u00a0σ; every other method is off by at least 63,000 times what rounding explains.',
		));

	it('names the closest where none fits, and the reason where the data cannot tell', () => {
		const { margin: _, ...rest } = sample;
		const wrong = rest.methods.map((entry) => (entry.method === 'running' ? { ...entry, residual: 0.3 } : entry));
		assert.match(
			normalizationSentence({ ...rest, verdict: 'none', methods: wrong }),
			/with none of them: the closest, statistics of the batch per channel \(3\), is off by 0\.25\u00a0σ/,
		);
		assert.match(
			normalizationSentence({ verdict: 'cannot-tell', reason: 'All are equal.', methods: [], values: 0 }),
			/cannot tell .* All are equal\.$/,
		);
	});
});
