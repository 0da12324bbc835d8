import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DriftSubject, statisticsDrift } from '../../../../src/core/batchnorm/drift.js';

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
