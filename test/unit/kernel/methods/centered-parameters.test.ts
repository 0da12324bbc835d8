import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inferenceBound, type RoundingBound, trainingBound } from '../../../../src/core/batchnorm/bound.js';
import { biasedVariance, type Moments, unbiasedVariance } from '../../../../src/core/numbers/moments.js';
import { loadRuntime } from '../../../../src/engine/child/runtime/runtime.js';
import type { RuntimeTensor } from '../../../../src/engine/child/tensors/tensor.js';
import type { Layout } from '../../../../src/kernel/index.js';
import { captureLayers, FIXTURE_MODELS } from '../../support/captured-layers.js';
import { activations, kernelOf, parameters } from '../../support/kernel-cases.js';
import { layoutOf, momentsReference, sizeOf, statisticOf } from '../../support/kernel-reference.js';
import { buildModel, type NodeSpec } from '../../support/model-builder.js';
import { normalizeBatch, updateRunning } from '../../support/training.js';

const C = 6;
const SHAPE = [4, C, 5, 3];
const LAYOUT = layoutOf(4, C, 15);
const EPSILON = Math.fround(1e-5);
/** Unit roundoff of float32. */
const U = 2 ** -24;

function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-6): void {
	assert.equal(actual.length, expected.length);
	for (let i = 0; i < expected.length; i++) {
		const error = Math.abs(actual[i] - expected[i]);
		assert.ok(error <= tolerance * Math.max(1, Math.abs(expected[i])), `${i}: ${actual[i]}, expected ${expected[i]}`);
	}
}

/** Our y, which was rounded once more, against the runtime's: within the bound of each element's own parameters. */
function assertWithin(
	out: Float32Array,
	y: Float32Array,
	x: Float32Array,
	parameterOf: (index: number) => number,
	{ slope, offset }: RoundingBound,
): void {
	assert.equal(y.length, out.length);
	out.forEach((value, index) => {
		const k = parameterOf(index);
		const allowed = slope[k] * Math.abs(x[index]) + offset[k] + U * Math.abs(value);
		const error = Math.abs(value - y[index]);
		assert.ok(error <= allowed, `${index}: off by ${error}, ${allowed} allowed`);
	});
}

/** Runs one operator on x with parameters of this shape. */
async function run(
	node: Partial<NodeSpec>,
	opset: number,
	dims: readonly number[],
	x: Float32Array,
	values: Readonly<Record<string, Float64Array>>,
) {
	const names = ['gamma', 'beta', 'mean', 'variance'];
	const outputs = node.outputs ?? ['y'];
	const model = buildModel({
		opset,
		graph: {
			nodes: [{ op: 'BatchNormalization', inputs: ['x', ...names], ...node, outputs }],
			initializers: names.map((name) => ({ name, dims, values: [...values[name]] })),
			inputs: [{ name: 'x', dtype: 'float32', shape: SHAPE }],
			outputs: outputs.map((name) => ({ name, dtype: 'float32' })),
		},
	});
	const session = await loadRuntime().createSession(model, { levels: ['disabled', 'all'] });
	const tensors = await session.run(
		new Map([['x', { type: 'float32', dims: SHAPE, data: x } as RuntimeTensor]]),
		outputs,
	);
	await session.release();
	return outputs.map((name) => tensors.get(name)?.data as Float32Array);
}

function learned(length: number) {
	const { scale, shift } = parameters(8, length);
	return { gamma: scale.map(Math.fround), beta: shift.map(Math.fround) };
}

test('per channel: the output and running statistics of onnxruntime in training mode', async () => {
	const x = activations(1, sizeOf(LAYOUT), 'float32', 2, 3) as Float32Array;
	const before = { mean: parameters(2, C).shift.map(Math.fround), variance: parameters(3, C).scale.map(Math.fround) };
	const attributes = { training_mode: { i: 1 }, momentum: { f: 0.75 } };
	const [y, mean, variance] = await run({ attributes, outputs: ['y', 'mean_out', 'variance_out'] }, 15, [C], x, {
		...learned(C),
		...before,
	});
	const out = new Float32Array(x.length);
	const kernel = await kernelOf('simd');
	const moments = normalizeBatch(kernel, { x, dtype: 'float32', layout: LAYOUT, epsilon: EPSILON, out, ...learned(C) });
	const statistics = { mean: moments.mean, variance: biasedVariance(moments) };
	const bound = trainingBound(
		{ ...learned(C), ...statistics, epsilon: EPSILON },
		{ images: 4, planeSize: 15 },
		'float32',
	);
	assertWithin(out, y, x, (index) => statisticOf(LAYOUT, 'channel', index), bound);
	const after = updateRunning(before, moments, 0.75, 'onnx');
	for (let c = 0; c < C; c++) {
		// What trainingBound derives for sums of chains of 16, and four roundings of old * momentum + batch * (1 - momentum).
		const meanError = 17 * U * Math.hypot(statistics.mean[c], Math.sqrt(statistics.variance[c]));
		const varianceError = 20 * U * (statistics.variance[c] + meanError ** 2) + meanError ** 2;
		const size = (old: number, batch: number) => 4 * U * (0.75 * Math.abs(old) + 0.25 * Math.abs(batch));
		const offBy = [Math.abs(after.mean[c] - mean[c]), Math.abs(after.variance[c] - variance[c])];
		assert.ok(offBy[0] <= 0.26 * meanError + size(before.mean[c], statistics.mean[c]), `mean of ${c}: ${offBy[0]}`);
		assert.ok(
			offBy[1] <= 0.26 * varianceError + size(before.variance[c], statistics.variance[c]),
			`variance of ${c}: ${offBy[1]}`,
		);
	}
});

test("per activation: onnxruntime's result for spatial=0 with the same statistics", async () => {
	const x = activations(4, sizeOf(LAYOUT), 'float32', -1, 2) as Float32Array;
	const kernel = await kernelOf('simd');
	const out = new Float32Array(x.length);
	const own = learned(C * 15);
	const moments = normalizeBatch(kernel, {
		x,
		dtype: 'float32',
		layout: LAYOUT,
		epsilon: EPSILON,
		axes: 'activation',
		out,
		...own,
	});
	const statistics = { mean: moments.mean.map(Math.fround), variance: biasedVariance(moments).map(Math.fround) };
	const [y] = await run({ attributes: { spatial: { i: 0 } } }, 7, [C, 5, 3], x, { ...own, ...statistics });
	const { slope, offset } = inferenceBound({ ...own, ...statistics, epsilon: EPSILON }, 'float32');
	// The statistics were rounded for the runtime: (x - mean) s moves by u |mean| |s| + |x - mean| |s| u / 2 at most.
	const scale = own.gamma.map((gamma, k) => Math.abs(gamma) / Math.sqrt(statistics.variance[k] + EPSILON));
	const bound = {
		slope: slope.map((value, k) => value + U * scale[k]),
		offset: offset.map((value, k) => value + 2 * U * Math.abs(statistics.mean[k]) * scale[k]),
	};
	assertWithin(out, y, x, (index) => statisticOf(LAYOUT, 'activation', index), bound);
});

test('per location: gamma * (x - mean) / sqrt(variance + epsilon) + beta, written out', async () => {
	for (const layout of [LAYOUT, layoutOf(3, C, 1)] satisfies Layout[]) {
		const x = activations(5, sizeOf(layout), 'float32', 3, 1);
		const out = new Float32Array(x.length);
		const { gamma, beta } = learned(C);
		const request = {
			x,
			dtype: 'float32' as const,
			layout,
			epsilon: EPSILON,
			axes: 'location' as const,
			out,
			gamma,
			beta,
		};
		normalizeBatch(await kernelOf('simd'), request);
		const groups = Array.from({ length: layout.planeSize }, (_, i) =>
			momentsReference([...x].filter((_value, index) => statisticOf(layout, 'location', index) === i)),
		);
		const expected = [...x].map((value, index) => {
			const { mean, m2, count } = groups[index % layout.planeSize];
			const c = statisticOf(layout, 'channel', index);
			return (gamma[c] * (value - mean)) / Math.sqrt(m2 / count + EPSILON) + beta[c];
		});
		// One rounding to float32, and what float64 sums in another order differ by.
		assertClose(out, expected, 1.001 * U);
	}
});

test("batch statistics of real layers are PyTorch's", async () => {
	const kernel = await kernelOf('simd');
	for (const name of FIXTURE_MODELS) {
		for (const { x, layout, expected } of await captureLayers(name)) {
			const moments = kernel.moments(x, 'float32', layout);
			assert.equal(moments.count[0], expected.count);
			assertClose(moments.mean, expected.batch_mean, 2e-6);
			assertClose(biasedVariance(moments), expected.batch_var, 4e-6);
		}
	}
});

test('ONNX weighs the old value by the momentum and takes the biased variance, PyTorch neither', () => {
	const running = { mean: Float64Array.of(1, 5), variance: Float64Array.of(2, 6) };
	const batch: Moments = {
		count: Float64Array.of(4, 0),
		mean: Float64Array.of(3, 0),
		m2: Float64Array.of(12, 0),
		nonFinite: Float64Array.of(0, 0),
	};
	assert.deepEqual([biasedVariance(batch)[0], unbiasedVariance(batch)[0]], [3, 4]);
	const onnx = updateRunning(running, batch, 0.75, 'onnx');
	assert.deepEqual([...onnx.mean, ...onnx.variance], [1.5, 5, 2.25, 6]);
	const pytorch = updateRunning(running, batch, 0.25, 'pytorch');
	assert.deepEqual([...pytorch.mean, ...pytorch.variance], [1.5, 5, 2.5, 6]);
});
