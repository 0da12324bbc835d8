import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alongAxis, type ChannelLayout, channelCount } from '../../../../../src/core/folding/operators/layout.js';
import { type MeasureOptions, measureRows } from '../../../../../src/core/folding/operators/measure.js';
import { FLOAT_FORMATS, type FloatType, roundTo, ulp } from '../../../../../src/core/numbers/float-formats.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import { channelOfElements } from '../../../support/channels.js';

/** Weights of `layout`, scaled with a relative error of about `noise`. */
function scaled(layout: ChannelLayout, dtype: FloatType, noise: number, seed = 1): MeasureOptions {
	const random = seededRandom(seed);
	const channels = channelOfElements(layout);
	const original = Float32Array.from(channels, () => random.normal());
	const scale = Float64Array.from({ length: channelCount(layout) }, () => Math.exp(random.normal()));
	const deployed = Float32Array.from(channels, (channel, index) => {
		const exact = original[index] * scale[channel];
		return roundTo(exact * (1 + noise * random.normal()), dtype);
	});
	const absolute = new Float64Array(scale.length).fill(1e-9);
	return { deployed, original, layout, scale, dtype, relative: 4e-7, absolute };
}

/** The same numbers without any of the shortcuts. */
function naive({ deployed, original, layout, scale, dtype, relative, absolute }: MeasureOptions) {
	const result = { maxAbs: 0, maxRel: 0, maxUlp: 0, boundRatio: new Float64Array(scale.length) };
	channelOfElements(layout).forEach((row, index) => {
		const expected = roundTo(original[index] * scale[row], dtype);
		const error = Math.abs(deployed[index] - expected);
		result.maxAbs = Math.max(result.maxAbs, error);
		result.maxRel = Math.max(result.maxRel, error / Math.abs(expected));
		result.maxUlp = Math.max(result.maxUlp, error / ulp(expected, dtype));
		const ratio = error / (relative * Math.abs(expected) + absolute[row]);
		result.boundRatio[row] = Math.max(result.boundRatio[row], ratio);
	});
	return result;
}

const LAYOUTS: readonly ChannelLayout[] = [
	alongAxis([7, 3, 3], 0),
	alongAxis([9, 6], 1),
	{ groups: 2, outer: 3, perGroup: 2, inner: 4 },
];

test('the largest errors equal the errors of a plain loop, for every layout and type', () => {
	for (const layout of LAYOUTS) {
		for (const dtype of ['float32', 'float16', 'bfloat16'] as const) {
			for (const noise of [0, FLOAT_FORMATS[dtype].unitRoundoff, 0.1]) {
				const options = scaled(layout, dtype, noise);
				const { maxAbs, maxRel, maxUlp, boundRatio } = measureRows(options);
				const expected = naive(options);
				assert.equal(maxAbs, expected.maxAbs);
				const isNear = (a: number, b: number) => Math.abs(a - b) <= 1e-11 * b;
				assert.ok(isNear(maxRel, expected.maxRel) && isNear(maxUlp, expected.maxUlp));
				assert.ok(boundRatio.every((ratio, row) => isNear(ratio, expected.boundRatio[row])));
			}
		}
	}
});

test('ratio and residual equal the values of a least-squares fit', () => {
	const options = scaled(alongAxis([4, 50], 0), 'float32', 0.01);
	const { ratio, residual } = measureRows(options);
	for (let row = 0; row < 4; row++) {
		const w = Array.from(options.original.subarray(row * 50, row * 50 + 50));
		const f = Array.from(options.deployed.subarray(row * 50, row * 50 + 50));
		const dot = (a: readonly number[], b: readonly number[]) =>
			a.reduce((sum, value, index) => sum + value * b[index], 0);
		const expected = dot(f, w) / dot(w, w);
		const rest = f.map((value, index) => value - expected * w[index]);
		assert.ok(Math.abs(ratio[row] / expected - 1) < 1e-12);
		assert.ok(Math.abs(residual[row] / Math.sqrt(dot(rest, rest) / dot(f, f)) - 1) < 1e-6);
	}
});

test('the residual of a right row is that of rounding, not of cancellation', () => {
	const { residual } = measureRows(scaled(alongAxis([4, 500], 0), 'float32', 0));
	assert.ok(residual.every((value) => value > 1e-9 && value < 5e-8));
});

test('a row of zeros has no ratio; NaN and overflow are infinitely far off', () => {
	const layout = alongAxis([3, 2], 0);
	const options = {
		...scaled(layout, 'float32', 0),
		original: Float32Array.of(0, 0, 1, 1, 1, 1),
		deployed: Float32Array.of(0, 0, 1, Number.NaN, Number.POSITIVE_INFINITY, 1),
		scale: Float64Array.of(1, 1, 1),
	};
	const { ratio, residual, boundRatio, maxAbs } = measureRows(options);
	assert.ok(Number.isNaN(ratio[0]));
	assert.equal(residual[0], 0);
	assert.deepEqual(Array.from(boundRatio), [0, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
	assert.equal(maxAbs, Number.POSITIVE_INFINITY);
});
