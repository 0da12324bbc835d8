import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Comparison } from '../../../../../src/core/report/comparison/comparison.js';
import { comparisonFindings, outputFinding } from '../../../../../src/core/report/comparison/findings.js';
import {
	EIGHT_BIT_DECIBELS,
	largestDrop,
	MIN_OUTPUT_DECIBELS,
	noiseWords,
	noisyLayer,
	outputNoise,
} from '../../../../../src/core/report/comparison/signal.js';
import { comparisonAnswer } from '../../../../../src/core/report/comparison/summary.js';
import {
	acceptedMismatches,
	applyBaselineToComparison,
} from '../../../../../src/core/report/fingerprint/known-mismatches.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import {
	agreement,
	comparedLayer,
	emptyLayer,
	sampleComparison,
	wrongEpsilon,
} from '../../../support/sample-comparison.js';

const run = { maxAbs: 1, maxRel: 0.1, bound: 2, boundRatio: 0.5 };
const RANDOM = [{ name: 'x', shape: [1], dtype: 'float32', from: 'random normal, seed 0' }];

/** A quantized model with these ratios in dB behind its layers; null: not known. */
function quantized(ratios: readonly (number | null)[], outputs: Partial<NonNullable<Comparison['outputs']>> = {}) {
	const layers = ratios.map((ratio, index) =>
		comparedLayer(
			{ name: `bn${index}`, channels: 2 },
			{
				cause: 'quantized-int8',
				causes: ['quantized-int8'],
				behavior: ratio === null ? agreement(0, { status: 'skipped', snrDb: null }) : agreement(ratio),
			},
		),
	);
	const snrDb = ratios.at(-1) ?? undefined;
	return sampleComparison(layers, {
		outputs: { ...run, status: 'match', ...(snrDb !== undefined && { snrDb }), ...outputs } as Comparison['outputs'],
	});
}

test('the limit allows the noise that 8 bits add up to in 600 layers', () => {
	// Mean square error of values on a grid over four deviations.
	const random = seededRandom(1);
	const step = 8 / 256;
	const values = Float64Array.from({ length: 40_000 }, () => Math.max(-4, Math.min(4, random.normal())));
	const power = (all: Float64Array) => all.reduce((sum, value) => sum + value * value, 0);
	const noise = values.map((value) => value - step * Math.round(value / step));
	assert.ok(Math.abs(10 * Math.log10(power(values) / power(noise)) - EIGHT_BIT_DECIBELS) < 0.2);
	assert.ok(Math.abs(EIGHT_BIT_DECIBELS - 10 * Math.log10(2 * 600) - MIN_OUTPUT_DECIBELS) < 0.2);
});

test('noise at the limit reverses the order of one in ten pairs of outputs', () => {
	const random = seededRandom(2);
	const level = 10 ** (-MIN_OUTPUT_DECIBELS / 20);
	const pairs = 40_000;
	let reversed = 0;
	for (let pair = 0; pair < pairs; pair++) {
		const difference = random.normal() - random.normal();
		const noisy = difference + level * (random.normal() - random.normal());
		reversed += difference < 0 !== noisy < 0 ? 1 : 0;
	}
	assert.ok(Math.abs(reversed / pairs - 0.1) < 0.01, `${reversed / pairs}`);
});

test('distorted outputs are in the answer, with a warning that no status of the layers hides', () => {
	const comparison = quantized([40, 20, -6.02], { inputs: RANDOM });
	assert.equal(
		comparisonAnswer(comparison),
		'All 3 folded layers are right, but quantization distorts the outputs: their error is 2 times their size.',
	);
	const finding = outputFinding(comparison);
	assert.deepEqual([finding?.code, finding?.severity], ['signal-lost', 'warning']);
	assert.ok(comparisonFindings(comparison).some(({ code }) => code === 'signal-lost'));
	for (const status of ['match', 'skipped'] as const) {
		const judged = quantized([3], { status, reason: 'Coarse weights.' });
		assert.equal(outputFinding(judged)?.code, 'signal-lost', status);
	}
});

test('sound outputs of a quantized model are in the answer with their error, without a warning', () => {
	const comparison = quantized([40, 20]);
	assert.equal(
		comparisonAnswer(comparison),
		'Both folded layers are right; quantization moves the outputs by 10 % of their size.',
	);
	assert.equal(outputFinding(comparison), undefined);
	assert.equal(noiseWords(comparison), undefined);
	assert.equal(noisyLayer(comparison), undefined);
});

test('float models and wrong folds have no noise of quantization', () => {
	const float = sampleComparison([comparedLayer()], { outputs: { ...run, status: 'match', snrDb: 3 } });
	assert.equal(outputNoise(float), undefined);
	const { layers } = quantized([30]);
	const wrong = sampleComparison([...layers, wrongEpsilon()], { outputs: { ...run, status: 'mismatch', snrDb: 3 } });
	assert.equal(outputNoise(wrong), undefined);
	assert.equal(outputFinding(wrong)?.code, 'outputs-differ');
	// Comparisons of earlier versions have no ratio, and equal outputs an infinite one.
	assert.equal(outputNoise(quantized([], {})), undefined);
	assert.equal(outputFinding(quantized([Number.POSITIVE_INFINITY])), undefined);
});

test('a drop that lasts names its layer; branches side by side do not', () => {
	const step = quantized([38, 35, 33, null, 6, 5, 4]);
	assert.equal(largestDrop(step)?.index, 4);
	assert.equal(noisyLayer(step)?.index, 4);
	assert.equal(
		noiseWords(step)?.where,
		'Most of the signal is lost at layer 5, bn4: the ratio falls from 33 dB to 6 dB.',
	);
	// Layer 3 is a branch that the others do not read.
	const branch = quantized([38, 35, 2, 33, 31, 30, 6, 5]);
	assert.equal(largestDrop(branch)?.index, 6);
	// Eight bits give 41 dB, so the first layer has lost its signal.
	assert.match(
		noiseWords(quantized([9, 8, 7]))?.where ?? '',
		/layer 1, bn0: its ratio is 9 dB, where 8 bits give about 41 dB/,
	);
	assert.equal(largestDrop(sampleComparison([emptyLayer({})])), undefined);
});

test('noise that grows along the network blames no single layer', () => {
	const ratios = Array.from({ length: 40 }, (_, index) => 40 - index);
	const comparison = quantized(ratios);
	assert.equal(noisyLayer(comparison), undefined);
	assert.equal(
		noiseWords(comparison)?.where,
		'No single layer is to blame: the ratio falls along the network to 1 dB at the outputs.',
	);
	// A drop that doubles the noise power is named, but not blamed.
	const uneven = quantized(ratios.map((ratio, index) => (index < 30 ? ratio : ratio - 5)));
	assert.equal(noisyLayer(uneven), undefined);
	assert.match(
		noiseWords(uneven)?.where ?? '',
		/^No single layer .* at the outputs, most at layer 31, bn30, by 6 dB\.$/,
	);
});

test('the advice follows the source of the noise, and asks for real data first if the input is random', () => {
	const advice = (unroundedSnrDb?: number) =>
		noiseWords(quantized([30, 5, 4], { inputs: RANDOM, ...(unroundedSnrDb !== undefined && { unroundedSnrDb }) }));
	// Without the rounding of activations less than half of the noise power is left.
	assert.match(advice(8)?.where ?? '', /comes from quantizing the activations\.$/);
	assert.match(advice(8)?.advice ?? '', /^Compare on real data first .* the range of a tensor at this layer/);
	assert.match(advice(6)?.where ?? '', /comes from quantizing the weights\.$/);
	assert.match(advice(6)?.advice ?? '', /quantize the weights of this layer per channel/);
	assert.doesNotMatch(advice()?.where ?? '', /comes from/);
	const files = [{ name: 'x', shape: [1], dtype: 'float32', from: 'cat.png' }];
	assert.doesNotMatch(noiseWords(quantized([4], { inputs: files }))?.advice ?? '', /real data/);
});

test('a baseline holds the warning, and keeps it while the outputs were not compared', () => {
	const comparison = quantized([30, 4]);
	const findings = acceptedMismatches(comparison, undefined);
	assert.ok(findings.some(({ code }) => code === 'signal-lost'));
	const marked = applyBaselineToComparison(comparison, { model: 'm.onnx', findings });
	assert.equal(outputFinding(marked)?.known, true);
	const { outputs: _, ...notRun } = comparison;
	assert.ok(acceptedMismatches(notRun, { model: 'm.onnx', findings }).some(({ code }) => code === 'signal-lost'));
});
