import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { explainAxes } from '../../../../src/view/model/axes.js';
import { sampleLayer } from '../../support/sample-report.js';

describe('over which axes a layer normalizes', () => {
	it('per channel: N and the spatial axes, with the effective batch of the run', () => {
		const explained = explainAxes(sampleLayer({ inputShape: [1, 32, 112, 112] }));
		assert.equal(explained.method, 3);
		assert.match(
			explained.sentence,
			/^Normalizes over \(N, H, W\): one statistic per channel, each over m' = 1 × 112 × 112 =\s12,544 values\./,
		);
		assert.deepEqual(
			explained.methods.map(({ over, count, statistics }) => [over.join(), count, statistics]),
			[
				['N,C', "m' = 1 × 32 =\u00a032", '12,544'],
				['N', "m' = 1", '401,408'],
				['N,H,W', "m' = 1 × 112 × 112 =\u00a012,544", '32'],
			],
		);
	});

	it('names the axes of other ranks', () => {
		const over = (inputShape: readonly number[]) => explainAxes(sampleLayer({ inputShape })).over;
		assert.deepEqual(
			[
				[2, 4],
				[2, 4, 8],
				[2, 4, 3, 8, 8],
				[2, 4, 1, 2, 3, 4],
			].map(over),
			['N', 'N, L', 'N, D, H, W', 'N, D1, D2, D3, D4'],
		);
	});

	it('says that two methods coincide without spatial axes', () =>
		assert.match(
			explainAxes(sampleLayer({ inputShape: [64, 10] })).sentence,
			/m' = 64 values\. .*\(3\) and per activation \(2\) are the same/,
		));

	it('per activation: over N alone', () => {
		const explained = explainAxes(sampleLayer({ axes: 'activation', inputShape: [4, 16, 8, 8] }));
		assert.equal(explained.method, 2);
		assert.match(explained.sentence, /over N: one statistic per activation, each over m' = 4 values\./);
	});

	it('uses symbols before anything was run', () => {
		const { inputShape: _, ...layer } = sampleLayer();
		const explained = explainAxes(layer);
		assert.equal(explained.count, "m' = N × H × W");
		assert.deepEqual(
			explained.methods.map(({ count, statistics }) => [count, statistics]),
			[
				["m' = N × C", 'H × W'],
				["m' = N", 'C × H × W'],
				["m' = N × H × W", 'C'],
			],
		);
	});

	it('says whose statistics are used', () => {
		assert.match(
			explainAxes(sampleLayer({ mode: 'training' })).sentence,
			/In training mode the statistics are those of the batch/,
		);
		assert.match(explainAxes(sampleLayer()).sentence, /In inference mode the stored running statistics/);
	});
});
