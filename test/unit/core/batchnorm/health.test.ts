import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_THRESHOLDS, type HealthSubject, layerHealth } from '../../../../src/core/batchnorm/health.js';
import { findingWords } from '../../../../src/core/report/findings.js';

interface Channels {
	gamma?: number[];
	beta?: number[];
	mean?: number[];
	variance?: number[];
}

/** A healthy layer of four channels but for what is given. */
function subject(channels: Channels = {}, rest: Partial<HealthSubject> = {}): HealthSubject {
	const healthy = { gamma: [1, 2, -1, 0.5], beta: [0.5, -1, 0, 1], mean: [0, 1, 2, 3], variance: [1, 2, 0.5, 4] };
	const { gamma, beta, mean, variance } = { ...healthy, ...channels };
	return {
		parameters: {
			gamma: Float64Array.from(gamma),
			beta: Float64Array.from(beta),
			mean: Float64Array.from(mean),
			variance: Float64Array.from(variance),
		},
		epsilon: 1e-5,
		mode: 'inference',
		axes: 'channel',
		feedsRelu: false,
		afterReshape: false,
		dtype: 'float32',
		...rest,
	};
}

/** [code, severity, channels] of every finding. */
function found(channels: Channels, rest?: Partial<HealthSubject>) {
	return layerHealth(subject(channels, rest)).map(({ code, severity, channels: list }) => [code, severity, list]);
}

function message(channels: Channels, rest?: Partial<HealthSubject>): string {
	const [finding] = layerHealth(subject(channels, rest));
	return finding?.message ?? '';
}

test('spatial = 0 with a value per channel is reported', () => {
	const [finding, ...others] = layerHealth(subject({}, { isMarkedPerActivation: true })).filter(
		({ code }) => code === 'per-activation',
	);
	assert.equal(others.length, 0);
	assert.match(finding?.message ?? '', /spatial = 0.*read as per channel/);
});

test('a healthy layer has no findings', () => {
	assert.deepEqual(found({}), []);
});

test('NaN and infinity in any parameter are errors and hide no other finding', () => {
	const channels = { gamma: [1, Number.NaN, 1, 1], mean: [0, 0, 0, Number.NEGATIVE_INFINITY] };
	assert.deepEqual(found(channels), [['non-finite', 'error', [1, 3]]]);
	assert.equal(
		message(channels),
		'NaN or infinite values in gamma and mean of channels 1 and 3: everything computed from them is, too.',
	);
});

test('an infinite variance makes a channel constant, unless another value is broken, too', () => {
	const variance = [1, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 1];
	assert.deepEqual(found({ variance, beta: [0, 0, Number.NaN, 0] }), [
		['non-finite', 'error', [2]],
		['non-finite', 'error', [1]],
	]);
	assert.equal(
		message({ variance: [1, Number.POSITIVE_INFINITY, 1, 1] }),
		'NaN or infinite values in variance of channel 1: the scale is 0, so the output stays at beta.',
	);
	const training = layerHealth(subject({ variance }, { mode: 'training' }));
	assert.ok(training.every(({ message }) => !message.includes('stays at beta')));
});

test('a negative variance is an error where epsilon does not make up for it', () => {
	const variance = [1, -0.1, -4, 1];
	const rest = { epsilon: 0.5 };
	assert.deepEqual(found({ variance }, rest), [
		['negative-variance', 'error', [2]],
		['negative-variance', 'warning', [1]],
	]);
	assert.match(
		message({ variance }, rest),
		/^Variance \+ epsilon is negative in channel 2 \(down to -3.5: the scale is NaN\).* variance is down to -4, and epsilon is 0.5/,
	);
	const cancelled = message({ variance: [1, 1, 1, -0.5] }, rest);
	assert.match(cancelled, /exactly -epsilon \(-0.5\), as if epsilon had been subtracted from 0/);
});

test('a variance of exactly 0 is a warning, with epsilon 0 an error', () => {
	const variance = [0, 1, 1, 0];
	assert.deepEqual(found({ variance }), [['zero-variance', 'warning', [0, 3]]]);
	assert.deepEqual(found({ variance }, { epsilon: 0 }), [['zero-variance', 'error', [0, 3]]]);
	assert.match(message({ variance }, { epsilon: 0 }), /the scale is infinite\)/);
	assert.match(message({ variance, gamma: [0, 1, 1, 0] }, { epsilon: 0 }), /the scale is infinite or NaN/);
});

test('never updated needs all four initial values; mean 0 and variance 1 alone may be a converter', () => {
	const fresh = { gamma: [1, 1], beta: [0, 0], mean: [0, 0], variance: [1, 1] };
	assert.deepEqual(found(fresh), [['never-updated', 'warning', []]]);
	assert.deepEqual(found({ ...fresh, gamma: [1, 2] }), [['never-updated', 'info', []]]);
	assert.match(
		message({ ...fresh, beta: [1, 0] }),
		/folded the statistics into scale and shift, or they were never updated/,
	);
	assert.deepEqual(found({ ...fresh, mean: [0, 1e-9] }), []);
});

test('dead channels: gamma about 0 against the median of the other channels, beta no larger', () => {
	assert.deepEqual(found({ gamma: [1, 0, 2, 0.005], beta: [1, 0, 1, -0.001] }), [['dead-channel', 'warning', [1, 3]]]);
	assert.match(
		message({ gamma: [1, 0, 2, 1], beta: [1, 0, 1, 1] }),
		/^Channel 1 is always 0: gamma is 0 or below 0.01, 1 % of/,
	);
	assert.deepEqual(found({ gamma: [0, 0, 0, 1], beta: [0, 0, 0, 1] }), [['dead-channel', 'warning', [0, 1, 2]]]);
	assert.deepEqual(found({ gamma: [0, 0, 0, 0], beta: [0, 0, 0, 0] }), [['dead-channel', 'warning', [0, 1, 2, 3]]]);
	// The same layer in other units: nothing changes.
	assert.deepEqual(found({ gamma: [1e-6, 2e-6, 1e-6, 3e-6], beta: [0, 0, 0, 0] }), []);
});

test('gamma about 0 with a beta is a constant, and called so', () => {
	const channels = { gamma: [1, 0, 2, 1], beta: [0, 0.7, 0, 0] };
	assert.deepEqual(found(channels), [['constant-channel', 'info', [1]]]);
	assert.match(message(channels), /Channel 1 is constant: gamma is 0/);
});

test('behind a ReLU: always 0, or never cut, within three standard deviations', () => {
	const channels = { gamma: [1, -1, 1, 1], beta: [-3, -2.9, 3, 0] };
	assert.deepEqual(found(channels, { feedsRelu: true }), [
		['constant-channel', 'warning', [0]],
		['constant-channel', 'info', [2]],
	]);
	assert.deepEqual(found(channels), []);
	assert.match(message(channels, { feedsRelu: true }), /always 0 behind the ReLU: beta \+ 3 abs\(gamma\) <= 0/);
});

test('epsilon rules where the variance is below it', () => {
	const channels = { variance: [1, 0.09, 0.1, 0.05] };
	assert.deepEqual(found(channels, { epsilon: 0.1 }), [['epsilon-dominated', 'info', [1, 3]]]);
	assert.match(message(channels, { epsilon: 0.1 }), /of channels 1 and 3 is below epsilon 0.1 \(down to 0.05\)/);
	assert.deepEqual(found({ variance: [1, 1, 1, 5.6e-45] }), [['epsilon-dominated', 'info', [3]]]);
});

test('a scale a hundred times the median breaks 8 bits', () => {
	assert.deepEqual(found({ gamma: [1, 1, 1, 150], variance: [1, 1, 1, 1] }), [['exploding-scale', 'warning', [3]]]);
	assert.deepEqual(found({ gamma: [1, 1, 1, 99], variance: [1, 1, 1, 1] }), []);
	assert.match(
		message({ gamma: [1, 1, 1, 150], variance: [1, 1, 1, 1] }),
		/channel 3 is up to 150 times the layer's median/,
	);
});

test('modes are reported without parameters, too', () => {
	const none = { parameters: null, mode: 'training', axes: 'activation' } as const;
	assert.deepEqual(found({}, none), [
		['training-mode', 'warning', []],
		['per-activation', 'info', []],
	]);
	const reshaped = layerHealth(subject({}, { mode: 'training', afterReshape: true }));
	assert.equal(reshaped[0].severity, 'info');
	assert.match(reshaped[0].message, /probably an instance normalization/);
});

test('every threshold is a setting', () => {
	const thresholds = { ...DEFAULT_THRESHOLDS, deadShare: 0.6, explodingFactor: 0.99 };
	const codes = layerHealth(subject({ beta: [0, 0, 0, 0] }), thresholds).map(({ code }) => code);
	assert.ok(codes.includes('dead-channel') && codes.includes('exploding-scale'));
});

test('many channels are counted, not listed, in the message', () => {
	const many = Array.from({ length: 64 }, (_, c) => (c < 12 ? 0 : 1));
	const channels = { gamma: Array(64).fill(1), beta: Array(64).fill(0), mean: many, variance: many };
	assert.match(message(channels), /variance of 12 of 64 channels is exactly 0/);
});

test('an epsilon that is not a number is an error, a negative epsilon a warning', () => {
	assert.deepEqual(found({}, { epsilon: Number.NaN }), [['non-finite', 'error', []]]);
	assert.match(message({}, { epsilon: Number.NaN }), /^Epsilon is NaN: /);
	assert.deepEqual(found({}, { epsilon: -0.1 }), [['epsilon-dominated', 'warning', []]]);
	assert.match(message({}, { epsilon: -0.1 }), /^Epsilon is negative \(-0\.1\)/);
	const [{ meaning }] = layerHealth({ ...subject({}), epsilon: -0.1 }, DEFAULT_THRESHOLDS);
	assert.equal(
		findingWords({ code: 'epsilon-dominated', ...(meaning && { meaning }) }).clause?.[0],
		'has a negative epsilon',
	);
});
