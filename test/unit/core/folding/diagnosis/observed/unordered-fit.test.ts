import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RowState } from '../../../../../../src/core/folding/diagnosis/observed/ratios.js';
import { unorderedFits } from '../../../../../../src/core/folding/diagnosis/observed/unordered-fit.js';

const gamma = Float64Array.of(1, -0.5, 2, 0.25);
const variance = Float64Array.of(0.3, 2, 0.01, 1.4);
const zero = new Float64Array(4);
const parameters = { gamma, variance, beta: zero, mean: zero, epsilon: 1e-5 };

/** Exact ratios of rows that were dealt the scales in another order. */
function ratiosOf(scale: Float64Array, state: number = RowState.multiple) {
	const moved = Float64Array.from([2, 0, 3, 1], (channel) => scale[channel]);
	return { low: moved, high: moved, state: new Uint8Array(4).fill(state), relative: 0 };
}

const scaleWith = (k: number, epsilon: number) =>
	gamma.map((value, channel) => value / Math.sqrt(k * variance[channel] + epsilon));

function isNear(a: Float64Array | undefined, b: Float64Array): boolean {
	// Sums of four logarithms and 60 halvings of an interval of 28.
	return a?.every((value, channel) => Math.abs(value / b[channel] - 1) < 1e-13) ?? false;
}

test('a factor on the variance is found although the channels stand in another order', () => {
	for (const k of [49 / 48, 1 / 999.982, 512]) {
		const [fitted] = unorderedFits(parameters, ratiosOf(scaleWith(k, 1e-5)));
		assert.ok(isNear(fitted, scaleWith(k, 1e-5)), String(k));
	}
});

test('so is another epsilon', () => {
	const [, fitted] = unorderedFits(parameters, ratiosOf(scaleWith(1, 3.7e-3)));
	assert.ok(isNear(fitted, scaleWith(1, 3.7e-3)));
});

test('a row that is no multiple leaves no fit', () => {
	assert.deepEqual(unorderedFits(parameters, ratiosOf(scaleWith(2, 1e-5), RowState.distorted)), []);
});
