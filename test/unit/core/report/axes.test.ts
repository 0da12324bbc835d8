import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { explainAxes } from '../../../../src/core/report/axes.js';
import { sampleLayer } from '../../support/sample-report.js';

describe('axes that a layer normalizes over', () => {
	it('answers in one sentence, with the effective batch of the run', () => {
		const explained = explainAxes(sampleLayer({ inputShape: [1, 32, 112, 112] }));
		assert.equal(explained.method, 3);
		assert.equal(
			explained.sentence,
			"A feature map is a channel: mean and variance are taken over all images and all positions of one channel (N, H, W), m' = N × H × W = 1 × 112 × 112 =\u00a012,544 values each; one gamma and one beta a channel.",
		);
		assert.deepEqual(
			explained.methods.map(({ over, count, statistics }) => [over.join(), count, statistics]),
			[
				['N,C', "m' = N × C = 1 × 32 =\u00a032", '12,544'],
				['N', "m' = N =\u00a01", '401,408'],
				['N,H,W', "m' = N × H × W = 1 × 112 × 112 =\u00a012,544", '32'],
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

	it('speaks of samples where there are no positions, and says that two methods coincide', () => {
		const { sentence, remark, methods } = explainAxes(sampleLayer({ inputShape: [64, 10] }));
		assert.match(sentence, /over all samples of one channel \(N\), m' = N =\s64 values each/);
		assert.match(remark, /\(3\) and per activation \(2\) are the same/);
		assert.equal(methods[1].shared, methods[2].shared);
	});

	it('gives each activation its own statistics over N alone', () => {
		const explained = explainAxes(sampleLayer({ axes: 'activation', inputShape: [4, 16, 8, 8] }));
		assert.equal(explained.method, 2);
		assert.match(explained.sentence, /at one position of one channel \(N\), m' = N =\s4 values each/);
		assert.equal(explained.formulas[0]?.text, "μ_{c,h,w} = 1/m' · Σ_{n=1…N} x_{n,c,h,w}");
	});

	it('uses symbols before the model ran', () => {
		const { inputShape: _, ...layer } = sampleLayer();
		const explained = explainAxes(layer);
		assert.deepEqual(explained.axes, [{ name: 'N' }, { name: 'C' }, { name: 'H' }, { name: 'W' }]);
		assert.deepEqual(
			explained.methods.map(({ count, statistics }) => [count, statistics]),
			[
				["m' = N × C", 'H × W'],
				["m' = N", 'C × H × W'],
				["m' = N × H × W", 'C'],
			],
		);
	});

	it('puts the sizes of a channels-last input behind the names of the axes', () =>
		assert.deepEqual(explainAxes(sampleLayer({ inputShape: [2, 8, 9, 3], channelAxis: -1 })).axes, [
			{ name: 'N', size: 2 },
			{ name: 'C', size: 3 },
			{ name: 'H', size: 8 },
			{ name: 'W', size: 9 },
		]));

	it('writes the sums out over exactly the axes of the rank', () => {
		const texts = (inputShape: readonly number[]) =>
			explainAxes(sampleLayer({ inputShape })).formulas.map(({ text }) => text);
		assert.deepEqual(texts([2, 3, 4, 5]), [
			"μ_{c} = 1/m' · Σ_{n=1…N} Σ_{h=1…H} Σ_{w=1…W} x_{n,c,h,w}",
			"σ²_{c} = 1/m' · Σ_{n=1…N} Σ_{h=1…H} Σ_{w=1…W} (x_{n,c,h,w} - μ_{c})²",
			'y_{n,c,h,w} = γ_{c} · (x_{n,c,h,w} - μ_{c}) / √(σ²_{c} + ε) + β_{c}',
		]);
		assert.equal(texts([2, 3])[0], "μ_{c} = 1/m' · Σ_{n=1…N} x_{n,c}");
		assert.equal(texts([2, 3, 4])[0], "μ_{c} = 1/m' · Σ_{n=1…N} Σ_{l=1…L} x_{n,c,l}");
	});

	it('explains training by algorithm 1 and inference by algorithm 2', () => {
		const [training, inference] = explainAxes(sampleLayer()).modes;
		assert.match(
			training?.text ?? '',
			/those of the batch.*; the variance is divided by m'.* \(momentum is 0\.9 here\)/,
		);
		assert.match(inference?.text ?? '', /stores the unbiased variance, m'\/\(m' - 1\).* times/);
		const { inputShape: _, ...noRun } = sampleLayer({ momentum: 0 });
		for (const { text } of explainAxes(noRun).modes) {
			assert.doesNotMatch(text, /here/);
		}
	});

	it("states the layer's own m' in both algorithms", () => {
		const modesOf = (inputShape: readonly number[], axes: 'channel' | 'activation' = 'channel') =>
			explainAxes(sampleLayer({ inputShape, axes })).modes.map(({ text }) => text);
		const [training, inference] = modesOf([2, 3, 4, 5]);
		assert.match(training ?? '', /those of the batch, here of 40 values each; /);
		assert.match(inference ?? '', /m'\/\(m' - 1\) \(here 40 \/ 39 = 1\.02564\) times/);
		assert.match(modesOf([2, 3, 4, 5], 'activation')[1] ?? '', /\(here 2 \/ 1 = 2\) times/);
		const [one, single] = modesOf([1, 3]);
		assert.match(one ?? '', /here of 1 value each/);
		assert.doesNotMatch(single ?? '', /here/);
	});
});
