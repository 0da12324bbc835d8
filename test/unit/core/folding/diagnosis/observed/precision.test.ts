import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quantizationLattice } from '../../../../../../src/core/folding/diagnosis/observed/lattice.js';
import { deployedPrecisions } from '../../../../../../src/core/folding/diagnosis/observed/precision.js';
import { alongAxis } from '../../../../../../src/core/folding/operators/layout.js';
import { roundTo } from '../../../../../../src/core/numbers/float-formats.js';
import { seededRandom } from '../../../../../../src/engine/child/tensors/random.js';

const layout = alongAxis([6, 27], 0);
const random = seededRandom(5);
const weights = Float32Array.from({ length: 6 * 27 }, () => random.normal());
const rowOf = (index: number) => Math.floor(index / 27);

/** Rounded to whole steps, one step a row. */
function quantized(steps: readonly number[], values = weights): Float32Array {
	return values.map((value, index) => Math.fround(Math.round(value / steps[rowOf(index)]) * steps[rowOf(index)]));
}

test('finds one step for the tensor, or a step for each channel', () => {
	const whole = quantizationLattice(quantized(new Array(6).fill(0.02)), layout);
	assert.ok(whole?.perTensor);
	assert.ok(whole.steps.every((step) => Math.abs(step / 0.02 - 1) < 1e-5));
	const steps = [0.02, 0.031, 0.017, 0.05, 0.011, 0.04];
	const rows = quantizationLattice(quantized(steps), layout);
	assert.equal(rows?.perTensor, false);
	assert.ok(steps.every((step, row) => Math.abs((rows?.steps[row] ?? 0) / step - 1) < 1e-5));
});

test('an asymmetric range, with a zero point, is on a lattice too', () => {
	const step = 0.01;
	const shifted = weights.map((value) => Math.fround(Math.round(Math.max(-0.3, Math.min(2.2, value)) / step) * step));
	assert.ok(quantizationLattice(shifted, layout));
});

test('ordinary weights lie on no lattice, and short rows prove none', () => {
	assert.equal(quantizationLattice(weights, layout), undefined);
	assert.equal(quantizationLattice(weights.subarray(0, 9), alongAxis([3, 3], 0)), undefined);
	assert.equal(quantizationLattice(Float32Array.of(1, Number.NaN, 1, 1), alongAxis([1, 4], 0)), undefined);
});

test('constant and binary weights lie on a lattice, which proves no quantization', () => {
	const scales = [2, 3, 5, 7, 11, 13].map(Math.sqrt);
	const constant = weights.map((_, index) => Math.fround(scales[rowOf(index)]));
	assert.equal(quantizationLattice(constant, layout), undefined);
	const binary = weights.map((value, index) => Math.fround(Math.sign(value) * scales[rowOf(index)]));
	assert.equal(quantizationLattice(binary, layout), undefined);
});

test('the roundings that the values admit, the strictest first', () => {
	const causes = (values: Float32Array, ...types: ['float32' | 'float16', 'float32' | 'float16']) =>
		deployedPrecisions(values, layout, ...types).map(({ cause, loose }) => `${cause}${loose ? ' throughout' : ''}`);
	assert.deepEqual(causes(weights, 'float32', 'float32'), ['null']);
	const half = weights.map((value) => roundTo(value, 'float16'));
	assert.deepEqual(causes(half, 'float32', 'float32'), ['null', 'rounding-fp16', 'rounding-fp16 throughout']);
	assert.deepEqual(causes(half, 'float16', 'float32'), ['rounding-fp16', 'rounding-fp16 throughout']);
	// An original in float16 leaves nothing to remark on.
	assert.deepEqual(causes(half, 'float16', 'float16'), ['null', 'null throughout']);
	const brain = weights.map((value) => roundTo(value, 'bfloat16'));
	assert.deepEqual(causes(brain, 'float32', 'float32'), ['null', 'rounding-bf16', 'rounding-bf16 throughout']);
	const steps = quantized(new Array(6).fill(0.02));
	assert.deepEqual(causes(steps, 'float32', 'float32'), ['null', 'quantized-int8', 'quantized-int8 throughout']);
});

test('a quantization step allows half of itself', () => {
	const [, precision] = deployedPrecisions(quantized(new Array(6).fill(0.02)), layout, 'float32', 'float32');
	assert.ok(precision.absolute.every((value) => value >= 0.01 && value < 0.0101));
});
