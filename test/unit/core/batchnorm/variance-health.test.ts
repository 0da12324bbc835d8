import assert from 'node:assert/strict';
import { test } from 'node:test';
import { affine } from '../../../../src/core/batchnorm/affine.js';
import { layerHealth } from '../../../../src/core/batchnorm/health.js';
import { varianceFindings } from '../../../../src/core/batchnorm/variance-health.js';
import { reportFromParameters } from '../../../../src/core/inspection/parameters-report.js';

interface Given {
	readonly gamma?: readonly number[];
	readonly beta?: readonly number[];
	readonly mean?: readonly number[];
	readonly variance: readonly number[];
	readonly epsilon: number;
	readonly dtype?: string;
	readonly mode?: 'inference' | 'training';
	readonly shared?: string;
}

/** Findings of a layer whose parameters are 1, 0 and 3 where none are given. */
function found({ epsilon, dtype = 'float32', mode = 'inference', shared, ...given }: Given) {
	const filled = (values: readonly number[] | undefined, value: number) =>
		Float64Array.from(values ?? given.variance.map(() => value));
	const parameters = {
		gamma: filled(given.gamma, 1),
		beta: filled(given.beta, 0),
		mean: filled(given.mean, 3),
		variance: Float64Array.from(given.variance),
	};
	const { gamma, beta, mean, variance } = parameters;
	const map = affine(gamma, beta, mean, variance, epsilon);
	return varianceFindings({ ...parameters, ...map, epsilon, dtype, mode, epsilonRatio: 1 }, shared);
}

const errors = (given: Given) =>
	found(given)
		.filter(({ severity }) => severity === 'error')
		.map(({ channels }) => channels);

test('a single error names all channels with variance + epsilon of 0 or below', () => {
	// By the definition sqrt(variance + epsilon), for epsilons of both signs.
	const variance = [-2, -1, -0.5, 0, 0.5, 1, 2];
	for (const epsilon of [-2, -1, -0.5, -1e-5, 0, 1e-5, 0.5, 1]) {
		const expected = [...variance.keys()].filter((c) => !(Math.fround(variance[c]) + Math.fround(epsilon) > 0));
		assert.deepEqual(errors({ variance, epsilon }), [expected], `epsilon ${epsilon}`);
	}
	const [{ message, code, meaning }] = found({ variance: [1, 0.5, 5], epsilon: -1 });
	assert.deepEqual([code, meaning], ['epsilon-dominated', 'negative-epsilon']);
	assert.match(
		message,
		/0 in channel 0 \(the scale is infinite\) and negative in channel 1 \(down to -0\.5: the scale is NaN\)/,
	);
	assert.match(message, /outputs no numbers there/);
	assert.match(message, /Epsilon is negative \(-1\)/);
});

test('a negative epsilon is reported once: with the channels that it spoils, else alone', () => {
	const health = (variance: number) => {
		const [gamma, beta, mean] = [1, 0, 3].map((value) => Float64Array.of(value));
		const parameters = { gamma, beta, mean, variance: Float64Array.of(variance) };
		const rest = {
			mode: 'inference',
			axes: 'channel',
			feedsRelu: false,
			afterReshape: false,
			dtype: 'float32',
		} as const;
		return layerHealth({ parameters, epsilon: -1, ...rest }).map(({ severity }) => severity);
	};
	assert.deepEqual(health(1), ['error']);
	assert.deepEqual(health(9), ['warning']);
	assert.deepEqual(health(1.001), ['warning']);
});

test('the sum is rounded as the runtime rounds it', () => {
	const float32 = Math.fround(-1e-5);
	// A converter subtracted a float64 epsilon from 0: in float32 nothing is left, in float64 2.5e-13 are.
	assert.deepEqual(errors({ variance: [1, float32], epsilon: 1e-5 }), [[1]]);
	assert.deepEqual(errors({ variance: [1, float32], epsilon: 1e-5, dtype: 'float64' }), []);
	assert.match(found({ variance: [1, float32], epsilon: 1e-5 })[0].message, /exactly -epsilon \(-1e-5\)/);
	// Equal to epsilon up to float32 is not below it.
	assert.deepEqual(found({ variance: [Math.fround(1e-5)], epsilon: 1e-5 }), []);
	const notebook = { name: 'bn', gamma: Float64Array.of(1), beta: Float64Array.of(0), mean: Float64Array.of(3) };
	const report = reportFromParameters([{ ...notebook, variance: Float64Array.of(float32), epsilon: 1e-5 }]);
	assert.deepEqual(
		report.layers[0].findings.map(({ code, severity }) => [code, severity]),
		[['negative-variance', 'error']],
	);
});

test('a variance just above -epsilon says how large the scale became, and that the last digits of epsilon decide it', () => {
	const variance = [2, Math.fround(-1e-5 + 1e-10)];
	const [{ code, severity, channels, message }] = found({ variance, epsilon: Math.fround(1e-5) });
	assert.deepEqual([code, severity, channels], ['negative-variance', 'warning', [1]]);
	const sum = variance[1] + Math.fround(1e-5);
	assert.match(message, new RegExp(`down to ${sum.toPrecision(1)}|down to ${Number(sum.toPrecision(3))}`));
	assert.match(message, new RegExp(`scale reaches ${Number((1 / Math.sqrt(sum)).toPrecision(3))}`));
	assert.match(message, /last digits of epsilon decide it/);
	// Far from -epsilon its digits do not matter.
	assert.doesNotMatch(found({ variance: [2, -0.1], epsilon: 0.5 })[0].message, /digits/);
});

test('epsilon is written with the digits that distinguish it', () => {
	const message = (epsilon: number) => found({ variance: [0, 1], epsilon: Math.fround(epsilon) })[0].message;
	for (const [epsilon, words] of [
		[1e-5, '1e-5'],
		[1.001e-5, '1.001e-5'],
		[0.001, '0.001'],
		[0.8, '0.8'],
	] as const) {
		assert.ok(message(epsilon).includes(`epsilon ${words} alone`), message(epsilon));
	}
});

test('a scale or shift beyond float32 is an error, but not in a float64 layer', () => {
	const given = { gamma: [1, 1e30, 1], mean: [1, 0, 1e30], variance: [1, 1e-20, 1e-20], epsilon: 1e-30 };
	assert.deepEqual(errors(given), [[1, 2]]);
	assert.match(found(given)[0].message, /up to 1e40, beyond the largest float32 number \(3\.4e38\)/);
	for (const dtype of ['float16', 'bfloat16', 'unknown']) {
		assert.deepEqual(errors({ ...given, dtype }), [[1, 2]]);
	}
	assert.deepEqual(errors({ ...given, dtype: 'float64' }), []);
});

test('mean and variance 0 in every channel are missing statistics, not a channel that was constant', () => {
	const [finding] = found({ mean: [0, 0, 0], variance: [0, 0, 0], epsilon: 1e-3, shared: 'zeros' });
	assert.deepEqual(
		[finding.code, finding.meaning, finding.severity],
		['zero-variance', 'statistics-missing', 'warning'],
	);
	assert.match(finding.message, /statistics are missing.*one shared tensor, "zeros"/);
	assert.doesNotMatch(finding.message, /constant in training/);
	assert.equal(found({ mean: [0, 0.5, 0], variance: [0, 0, 0], epsilon: 1e-3 })[0].meaning, undefined);
	assert.equal(found({ mean: [0], variance: [0], epsilon: 1e-3 })[0].meaning, undefined);
});

test('in training mode the running variance is not used, so it is never an error', () => {
	assert.deepEqual(errors({ variance: [-1, 0], epsilon: 0, mode: 'training' }), []);
	assert.equal(found({ variance: [-1, 0], epsilon: 0, mode: 'training' })[0].severity, 'warning');
});

test('a finding may name a million channels', () => {
	const count = 1_000_000;
	for (const [value, epsilon] of [
		[-1, 1e-5],
		[0, 0],
		[-5e-6, 1e-5],
	]) {
		const [{ channels }] = found({ variance: new Array<number>(count).fill(value), epsilon });
		assert.equal(channels.length, count, `variance ${value}`);
	}
});
