import assert from 'node:assert/strict';
import { test } from 'node:test';
import { roundTo } from '../../../../src/core/numbers/float-formats.js';
import { type Grid, requantize } from '../../../../src/core/repair/quantization-grid.js';

const grid = (scale: number, dtype: Grid['dtype'] = 'int8', zero = 0): Grid => ({
	dtype,
	scaleType: 'float32',
	scale: Float64Array.of(scale),
	zero: Float64Array.of(zero),
	cellOf: () => 0,
});
const KEEP = { hasZeroPoints: false };

test('integers within half a step stay, also where rounding gives another', () => {
	const { integers, changed } = requantize([3, 100, -7], [2.5, 100.2, -8.4], grid(1), KEEP);
	assert.deepEqual([...integers], [3, 100, -8]);
	assert.deepEqual(changed, []);
});

test('values beyond the range get a scale that holds them', () => {
	const values = [-40, 20, 5];
	const { integers, scale, changed } = requantize([0, 0, 0], values, grid(0.1), KEEP);
	assert.deepEqual(changed, [0]);
	for (const [index, value] of values.entries()) {
		assert.ok(Math.abs(integers[index] * scale[0] - value) <= scale[0] / 2, `${value}`);
	}
	assert.equal(integers[0], -128);
});

test('values that use less than a quarter of the range get a finer scale', () => {
	assert.deepEqual(requantize([0], [33], grid(1), KEEP).changed, []);
	const { scale, changed } = requantize([0], [12], grid(1), KEEP);
	assert.deepEqual([changed, scale[0]], [[0], Math.fround(12 / 127)]);
});

test('a zero point at the end of the range moves for values of the other sign', () => {
	const values = [-3, -1, 0.5];
	const { integers, scale, zero } = requantize([0, 0, 0], values, grid(0.02, 'uint8'), { hasZeroPoints: true });
	for (const [index, value] of values.entries()) {
		assert.ok(Math.abs((integers[index] - zero[0]) * scale[0] - value) <= scale[0], `${value}`);
	}
	const fixed = requantize([0, 0, 0], values, grid(0.02, 'uint8'), { hasZeroPoints: false });
	assert.ok(!Number.isFinite(fixed.scale[0]), 'no scale holds both signs without another zero point');
});

test('a scale stays large enough for the bias of its row', () => {
	const { scale } = requantize([1], [1e-7], grid(1e-9), { ...KEEP, leastScale: Float64Array.of(1e-3) });
	assert.equal(scale[0], Math.fround(1e-3));
});

test('the scale of a bias changes by its factor only', () => {
	const { integers, scale } = requantize([10], [50], grid(2, 'int32'), { ...KEEP, factors: Float64Array.of(0.5) });
	assert.deepEqual([integers[0], scale[0]], [50, 1]);
});

test('weights of 7 bits stay within 7 bits on a new scale', () => {
	const values = [-40, 20, 5];
	for (const [dtype, zero, found, range] of [
		['int8', 0, [-64, 3, 33], [-64, 64]],
		['int8', 0, [-65, 3, 33], [-128, 127]],
		['int8', 0, [-32, 3, 20], [-128, 127]],
		['uint8', 60, [0, 60, 127], [0, 127]],
		['uint8', 128, [0, 60, 127], [0, 255]],
	] as const) {
		const of = grid(0.1, dtype, zero);
		const { integers, scale, zero: moved, changed } = requantize(found, values, of, { hasZeroPoints: zero !== 0 });
		assert.deepEqual(changed, [0]);
		const [least, most] = range;
		const step = scale[0];
		assert.ok(
			integers.every((value) => value >= least && value <= most),
			`${dtype} ${found}: ${integers}`,
		);
		assert.ok(
			integers.some((value) => value - least <= 1 || most - value <= 1),
			`${dtype} ${found}: ${integers}`,
		);
		for (const [index, value] of values.entries()) {
			assert.ok(Math.abs((integers[index] - moved[0]) * step - value) <= step, `${dtype} ${found}: ${value}`);
		}
	}
});

test('a negative scale keeps its sign', () => {
	const values = [-40, 20, 5];
	for (const found of [
		[40, -20, -5],
		[0, 0, 0],
	]) {
		const { integers, scale, changed } = requantize(found, values, grid(-1), KEEP);
		assert.deepEqual([...integers], [40, -20, -5]);
		assert.deepEqual([changed, scale[0]], [[], -1]);
	}
	const { integers, scale } = requantize([0, 0, 0], values, grid(-0.1), KEEP);
	assert.ok(scale[0] < 0);
	for (const [index, value] of values.entries()) {
		assert.ok(Math.abs(integers[index] * scale[0] - value) <= -scale[0] / 2, `${value}`);
	}
});

test('a scale of 0 is replaced for values other than 0, and stays for zeros', () => {
	const { integers, scale, changed } = requantize([5, 1], [-0.3, 0.1], grid(0), KEEP);
	assert.deepEqual(changed, [0]);
	assert.ok(Math.abs(integers[0] * scale[0] + 0.3) <= scale[0] / 2 && scale[0] > 0);
	const zeros = requantize([5, 1], [0, 0], grid(0), KEEP);
	assert.deepEqual([zeros.changed, [...zeros.integers], zeros.scale[0]], [[], [5, 1], 0]);
});

test('a new scale is a number of the type that stores it, and integers count its steps', () => {
	const values = [-4.0123, 2.3456, 1];
	const { integers, scale } = requantize([0, 0, 0], values, { ...grid(0.001), scaleType: 'float16' }, KEEP);
	assert.equal(scale[0], roundTo(scale[0], 'float16'));
	for (const [index, value] of values.entries()) {
		assert.equal(integers[index], Math.max(-128, Math.round(value / scale[0])));
	}
});

test('few codes are used to their ends, with the zero point that gives the finest step', () => {
	const kept = requantize([0], [6], grid(1, 'int4'), KEEP);
	assert.deepEqual([kept.changed, kept.integers[0]], [[], 6]);
	const finer = requantize([0], [5], grid(1, 'int4'), KEEP);
	assert.deepEqual([finer.changed, finer.scale[0], finer.integers[0]], [[0], Math.fround(5 / 7), 7]);
	const values = [-2, 5];
	const moved = requantize([0, 0], values, grid(0.1, 'uint4', 8), { hasZeroPoints: true });
	assert.deepEqual([moved.scale[0], moved.zero[0], [...moved.integers]], [Math.fround(7 / 15), 4, [0, 15]]);
});
