import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DriftSubject, driftOf, samplingNoise, statisticsDrift } from '../../../../src/core/batchnorm/drift.js';
import { seededRandom } from '../../../../src/engine/child/random.js';

const EPSILON = 1e-5;

/** Running mean 0 and variance 4 in each channel, against a batch's. */
function subject(mean: number[], variance: number[], images: number): DriftSubject {
	const running = { mean: Float64Array.from(mean, () => 0), variance: Float64Array.from(mean, () => 4) };
	return {
		parameters: running,
		batch: { mean: Float64Array.from(mean), variance: Float64Array.from(variance) },
		epsilon: EPSILON,
		images,
	};
}

function channels(...args: Parameters<typeof subject>): readonly number[] {
	return statisticsDrift(subject(...args)).flatMap((finding) => finding.channels);
}

test('drift has a sign, and the noise of a mean and of a spread is that of as many normal numbers', () => {
	const { shift, spread } = driftOf({ ...subject([2, -1], [4, 1], 8), epsilon: 0 });
	assert.deepEqual([shift, spread], [Float64Array.of(1, -0.5), Float64Array.of(0, Math.log(1 / 4) / 2)]);
	const images = 200;
	const random = seededRandom(5);
	const [means, spreads] = [[], []] as [number[], number[]];
	for (let trial = 0; trial < 2000; trial++) {
		const values = Array.from({ length: images }, random.normal);
		const mean = values.reduce((sum, value) => sum + value, 0) / images;
		means.push(mean);
		spreads.push(Math.log(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / images) / 2);
	}
	const rms = (list: number[]) => Math.sqrt(list.reduce((sum, value) => sum + value ** 2, 0) / list.length);
	const noise = samplingNoise(images);
	// The root mean square of 2000 trials is known to 1/sqrt(4000), 1.6 %: six times that.
	assert.ok(Math.abs(rms(means) / noise.shift - 1) < 0.1, `${rms(means)}`);
	assert.ok(Math.abs(rms(spreads) / noise.spread - 1) < 0.1, `${rms(spreads)}`);
});

test('a mean that moved is found beyond a quarter of a standard deviation', () => {
	assert.deepEqual(channels([0.49, 0.51, -3], [4, 4, 4], 10_000), [1, 2]);
	const [finding] = statisticsDrift(subject([0, -3], [4, 4], 10_000));
	assert.match(
		finding.message,
		/channel 1 do not fit the data, more than 10000 images would explain: in channel 1 its mean is off by 1.5 running/,
	);
});

test('a spread that changed is found beyond exp(0.25)', () => {
	const ratio = Math.exp(0.5);
	assert.deepEqual(channels([0, 0, 0], [4 * ratio * 1.02, 4 / ratio / 1.02, 4 * ratio * 0.98], 10_000), [0, 1]);
	const [finding] = statisticsDrift(subject([0], [100], 10_000));
	assert.match(finding.message, /its standard deviation is 5 times the running one/);
});

test('few images explain more: 4 standard errors of the images, not of the pixels', () => {
	assert.deepEqual(channels([1.9], [4], 16), []);
	assert.deepEqual(channels([2.1], [4], 16), [0]);
	assert.deepEqual(channels([0], [4 * Math.exp(2 * 0.7)], 16), []);
	assert.deepEqual(channels([0], [4 * Math.exp(2 * 0.75)], 16), [0]);
});

test('one image says nothing about the variance, but can be far off the mean', () => {
	assert.deepEqual(channels([0], [400], 1), []);
	assert.deepEqual(channels([9], [4], 1), [0]);
	assert.match(statisticsDrift(subject([9], [4], 1))[0].message, /a single image/);
});

test('channels that epsilon rules are left alone', () => {
	const dead = {
		parameters: { mean: Float64Array.of(0), variance: Float64Array.of(5.6e-45) },
		batch: { mean: Float64Array.of(0), variance: Float64Array.of(0) },
		epsilon: EPSILON,
		images: 1000,
	};
	assert.deepEqual(statisticsDrift(dead), []);
});
