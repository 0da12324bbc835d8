import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { biasedVariance, type Moments } from '../../../../../src/core/numbers/moments.js';
import { openSamples, type SampleBatch } from '../../../../../src/engine/child/inputs/sample-batches.js';
import { openModel } from '../../../../../src/engine/child/model/opened-model.js';
import { requiredInputs } from '../../../../../src/engine/child/model/required-inputs.js';
import { firstSamples } from '../../../../../src/engine/child/reestimate/first-samples.js';
import {
	BatchMeasure,
	type BatchMoments,
	largestRounding,
	stagedMoments,
} from '../../../../../src/engine/child/reestimate/measure-batch.js';
import { StagedRun } from '../../../../../src/engine/child/reestimate/staged-run.js';
import { planStages } from '../../../../../src/engine/child/reestimate/stages.js';
import { subjectOf } from '../../../../../src/engine/child/reestimate/subject.js';
import { encodeNpy } from '../../../../../src/engine/child/tensors/npy.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import { runtime, sharedKernel } from '../../../support/inspect.js';
import { buildModel, type ModelSpec } from '../../../support/model-builder.js';
import { scratch, stale } from '../../../support/reestimate.js';

const folder = scratch();
after(() => rmSync(folder, { recursive: true }));

interface Measured {
	readonly found: BatchMoments;
	readonly kernel: BatchMoments;
	readonly notes: readonly string[];
}

/** Measures the first batch of data in both ways. */
async function measureFirst(file: string, data: string, batch: number): Promise<Measured> {
	const opened = await openModel({ path: file });
	const { running: model, layers } = await subjectOf(opened);
	const run = new StagedRun(model, planStages(model, layers), { runtime, kernel: await sharedKernel() });
	const measure = new BatchMeasure({ run, model, layers });
	const samples = await openSamples(requiredInputs(model.model), { files: [{ input: undefined, path: data }], batch });
	const { value } = await samples.read().next();
	const found = await measure.moments(value as SampleBatch);
	const kernel = await stagedMoments(value as SampleBatch, run, new Set(layers));
	const { notes } = measure;
	await Promise.all([measure.dispose(), run.dispose(), opened.close()]);
	return { found, kernel, notes };
}

/** Largest difference of means in standard deviations, and relative of variances. */
function difference(a: Moments, b: Moments): number {
	const [ours, theirs] = [biasedVariance(a), biasedVariance(b)];
	return Math.max(
		...theirs.map((value, k) =>
			Math.max(Math.abs(a.mean[k] - b.mean[k]) / Math.sqrt(value), Math.abs(ours[k] / value - 1)),
		),
	);
}

for (const [name, kind] of [
	['mlp', 'stale'],
	['mlp', 'training'],
	['conv1d', 'stale'],
	['conv1d', 'training'],
	['generator', 'stale'],
]) {
	test(`moments of ${name}, ${kind}, come from the graph and are those of the kernel`, async () => {
		const { found, kernel, notes } = await measureFirst(
			stale(`${name}.${kind}.onnx`),
			stale(`${name}.calibration.npy`),
			8,
		);
		assert.match(notes.join(), /^onnxruntime computed the statistics inside the graph; .* at most [\d.]+e-7/);
		assert.deepEqual([...found.keys()].toSorted(), [...kernel.keys()].toSorted());
		for (const [index, moments] of found) {
			const right = kernel.get(index);
			assert.ok(right && difference(moments, right) < 1e-6);
			assert.deepEqual(moments.count, right.count);
			assert.ok(moments.mean.every((value) => value === Math.fround(value)));
		}
	});
}

/** A layer over (N, 2, 8) with data around a mean. @param op operator in front @param samples declared by the model */
function layerWith(mean: number, change: Partial<ModelSpec>, op = 'Identity', samples: number | string = 'N') {
	const random = seededRandom(3);
	const values = Float32Array.from({ length: 16 * 2 * 8 }, () => random.normal() + mean);
	const [file, data] = [path.join(folder, `${mean}-${samples}.onnx`), path.join(folder, `${mean}.npy`)];
	writeFileSync(data, encodeNpy({ type: 'float32', shape: [16, 2, 8], data: values }));
	const inputs = ['h', 'g', 'b', 'm', 'v'];
	const nodes = [
		{ op, inputs: ['x'], outputs: ['h'] },
		{ op: 'BatchNormalization', name: 'bn', inputs, outputs: ['y'] },
	];
	const initializers = inputs.slice(1).map((name, i) => ({ name, values: [i % 2, 1] }));
	const graph = { inputs: [{ name: 'x', shape: [samples, 2, 8] }], outputs: [{ name: 'y' }], nodes, initializers };
	writeFileSync(file, buildModel({ opset: 15, ...change, graph }));
	return { file, data };
}

/** Checks who measures a batch of 16 samples. A graph leaves a note on the samples that checked it. */
async function assertMeasuredBy(expected: 'kernel' | 'graph', file: string, data: string): Promise<void> {
	const { found, kernel, notes } = await measureFirst(file, data, 16);
	if (expected === 'kernel') {
		assert.deepEqual(notes, []);
		assert.deepEqual(found, kernel);
		return;
	}
	assert.equal(notes.length, 1);
	assert.match(notes.join(), /in the first 8 samples they differ/);
	assert.notDeepEqual(found, kernel);
}

test('values far from 0 beside their spread are left to the kernel, in every operator set', async () => {
	for (const [mean, opset, isKernel] of [
		[1, 15, false],
		[1000, 15, true],
		[1, 13, false],
		[1, 9, false],
	] as const) {
		const { file, data } = layerWith(mean, { opset });
		await assertMeasuredBy(isKernel ? 'kernel' : 'graph', file, data);
	}
});

test('a graph is checked with the first samples, or with the whole batch if these need more accuracy', async () => {
	const { file } = layerWith(0, {});
	for (const [start, samples] of [
		[0, 8],
		[1000, 16],
	]) {
		const random = seededRandom(4);
		const values = Float32Array.from({ length: 256 }, (_, at) => (at < 128 ? start : -start) + random.normal());
		const data = path.join(folder, `from-${start}.npy`);
		writeFileSync(data, encodeNpy({ type: 'float32', shape: [16, 2, 8], data: values }));
		const { found, kernel, notes } = await measureFirst(file, data, 16);
		assert.match(notes.join(), new RegExp(`in the first ${samples} samples they differ`));
		assert.deepEqual(found.get(0)?.count, kernel.get(0)?.count);
		const [ours, theirs] = [found.get(0), kernel.get(0)];
		assert.ok(ours && theirs && difference(ours, theirs) < 1e-6);
	}
});

test('first samples are whole parts of a model that takes a fixed number of them', async () => {
	const batch = (samples: number, parts: number) => {
		const x = () => {
			const dims = [samples / parts, 2, 8];
			return { type: 'float32' as const, dims, data: new Float32Array((samples / parts) * 16) };
		};
		const scale = () => ({ type: 'float32' as const, dims: [1], data: Float32Array.of(2) });
		return {
			parts: Array.from({ length: parts }, () => new Map([...[['x', x()] as const], ['scale', scale()]])),
			samples,
		};
	};
	for (const [declared, samples, parts, expected] of [
		['N', 32, 1, [[8]]],
		['N', 8, 1, [[8]]],
		[3, 24, 8, [[3], [3], [3]]],
		[16, 32, 2, [[16]]],
		[32, 32, 1, [[32]]],
	] as const) {
		const opened = await openModel({ path: layerWith(0, {}, 'Identity', declared).file });
		const first = firstSamples(batch(samples, parts), opened);
		assert.deepEqual(
			first.parts.map((part) => [part.get('x')?.dims[0]]),
			expected,
		);
		assert.equal(
			first.samples,
			expected.flat().reduce((sum, rows) => sum + rows, 0),
		);
		assert.ok(first.parts.every((part) => part.get('scale')?.data.length === 1));
		assert.ok(first.parts.every((part) => part.get('x')?.data.length === (part.get('x')?.dims[0] ?? 0) * 16));
		await opened.close();
	}
});

/** A layer behind a Reshape to one sample. */
function fixedShape(): string {
	const file = path.join(folder, 'fixed.onnx');
	const inputs = ['h', 'g', 'b', 'm', 'v'];
	const graph = {
		inputs: [{ name: 'x', shape: [1, 2, 8] }],
		outputs: [{ name: 'y' }],
		nodes: [
			{ op: 'Reshape', inputs: ['x', 'shape'], outputs: ['h'] },
			{ op: 'BatchNormalization', name: 'bn', inputs, outputs: ['y'] },
		],
		initializers: [
			{ name: 'shape', dtype: 'int64' as const, values: [1, 2, 8] },
			...inputs.slice(1).map((name, i) => ({ name, values: [i % 2, 1] })),
		],
	};
	writeFileSync(file, buildModel({ opset: 15, graph }));
	return file;
}

test('operators that changed before the training mode came are left to the kernel', async () => {
	for (const [opset, isKernel] of [
		[12, true],
		[13, false],
	] as const) {
		const { file, data } = layerWith(1, { opset }, 'Softmax');
		await assertMeasuredBy(isKernel ? 'kernel' : 'graph', file, data);
	}
});

test('a model of a fixed number of samples takes whole batches, unless it computes with that number', async () => {
	const { file, data } = layerWith(1, {}, 'Identity', 1);
	const whole = layerWith(1, { opset: 15 }, 'Identity', 'N');
	const [parts, one] = [await measureFirst(file, data, 16), await measureFirst(whole.file, whole.data, 16)];
	assert.deepEqual([parts.notes.length, parts.found], [1, one.found]);
	const fixed = fixedShape();
	const { found, kernel, notes } = await measureFirst(fixed, data, 16);
	assert.deepEqual([notes, found], [[], kernel]);
	assert.equal(found.get(0)?.count[0], 16 * 8);
});

test('the likely rounding grows with plane, images and mean, and is infinite for values not finite', () => {
	const moments = (mean: number, plane: number, images: number, variance = 1) => {
		const count = Float64Array.of(plane * images);
		const sums = { mean: Float64Array.of(mean), m2: count.map((value) => value * variance) };
		return { count, ...sums, nonFinite: Float64Array.of(0), dims: [images, 1, plane] };
	};
	const base = largestRounding(moments(0, 64, 16), 0);
	// 4 standard deviations of u / 3 * (sqrt(64 / 64 / 16) + sqrt(16)).
	assert.ok(Math.abs(base - (4 * 2 ** -24 * 4.25) / 3) < 1e-12);
	assert.ok(Math.abs(largestRounding(moments(Math.sqrt(99), 64, 16), 0) / base - 10) < 1e-9);
	assert.ok(largestRounding(moments(0, 12544, 16), 0) > base && largestRounding(moments(0, 64, 256), 0) > base);
	// 64 * 16 values in chains of 32, and the rounded result.
	const chained = largestRounding({ ...moments(0, 64, 16), chain: 32 }, 0);
	assert.ok(Math.abs(chained - (4 * 2 ** -24 * 2) / 3) < 1e-12);
	const spread = Float64Array.of(30);
	assert.ok(Math.abs(largestRounding({ ...moments(0, 64, 16), chain: 32, spread }, 0) / chained - 30) < 1e-9);
	assert.equal(largestRounding(moments(Number.NaN, 64, 16), 0), Number.POSITIVE_INFINITY);
	assert.equal(largestRounding(moments(1, 64, 16, Number.POSITIVE_INFINITY), 0), Number.POSITIVE_INFINITY);
});
