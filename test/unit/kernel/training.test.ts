import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadRuntime, type RuntimeTensor } from '../../../src/engine/child/runtime.js';
import type { Layout, Moments } from '../../../src/kernel/index.js';
import { biasedVariance, unbiasedVariance } from '../../../src/kernel/moments.js';
import { normalizeBatch, updateRunning } from '../../../src/kernel/training.js';
import { captureLayers, FIXTURE_MODELS } from '../support/captured-layers.js';
import { activations, kernelOf, parameters } from '../support/kernel-cases.js';
import { layoutOf, momentsReference, sizeOf, statisticOf } from '../support/kernel-reference.js';
import { buildModel, type NodeSpec } from '../support/model-builder.js';

const C = 6;
const SHAPE = [4, C, 5, 3];
const LAYOUT = layoutOf(4, C, 15);
const EPSILON = Math.fround(1e-5);

function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-6): void {
	assert.equal(actual.length, expected.length);
	for (let i = 0; i < expected.length; i++) {
		const error = Math.abs(actual[i] - expected[i]);
		assert.ok(error <= tolerance * Math.max(1, Math.abs(expected[i])), `${i}: ${actual[i]}, expected ${expected[i]}`);
	}
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
	const moments = normalizeBatch(kernel, { x, type: 'float32', layout: LAYOUT, epsilon: EPSILON, out, ...learned(C) });
	assertClose(out, y, 4e-6);
	const after = updateRunning(before, moments, 0.75, 'onnx');
	assertClose(after.mean, mean);
	assertClose(after.variance, variance, 4e-6);
});

test('per activation: what onnxruntime makes of spatial=0 with the same statistics', async () => {
	const x = activations(4, sizeOf(LAYOUT), 'float32', -1, 2) as Float32Array;
	const kernel = await kernelOf('simd');
	const out = new Float32Array(x.length);
	const own = learned(C * 15);
	const moments = normalizeBatch(kernel, {
		x,
		type: 'float32',
		layout: LAYOUT,
		epsilon: EPSILON,
		axes: 'activation',
		out,
		...own,
	});
	const statistics = { mean: moments.mean.map(Math.fround), variance: biasedVariance(moments).map(Math.fround) };
	const [y] = await run({ attributes: { spatial: { i: 0 } } }, 7, [C, 5, 3], x, { ...own, ...statistics });
	assertClose(out, y, 1e-5);
});

test('per location: gamma * (x - mean) / sqrt(variance + epsilon) + beta, written out', async () => {
	for (const layout of [LAYOUT, layoutOf(3, C, 1)] satisfies Layout[]) {
		const x = activations(5, sizeOf(layout), 'float32', 3, 1);
		const out = new Float32Array(x.length);
		const { gamma, beta } = learned(C);
		const request = {
			x,
			type: 'float32' as const,
			layout,
			epsilon: EPSILON,
			axes: 'location' as const,
			out,
			gamma,
			beta,
		};
		normalizeBatch(await kernelOf('simd'), request);
		const groups = Array.from({ length: layout.inner }, (_, i) =>
			momentsReference([...x].filter((_value, index) => statisticOf(layout, 'location', index) === i)),
		);
		const expected = [...x].map((value, index) => {
			const { mean, m2, count } = groups[index % layout.inner];
			const c = statisticOf(layout, 'channel', index);
			return (gamma[c] * (value - mean)) / Math.sqrt(m2 / count + EPSILON) + beta[c];
		});
		assertClose(out, expected, 1e-7);
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
