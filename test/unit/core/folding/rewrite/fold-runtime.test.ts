import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { compareModels } from '../../../../../src/core/folding/compare/compare.js';
import { foldTolerance } from '../../../../../src/core/folding/operators/expected.js';
import { loadRuntime } from '../../../../../src/engine/child/runtime/runtime.js';
import { parseNpy } from '../../../../../src/engine/child/tensors/npy.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import type { RuntimeTensor } from '../../../../../src/engine/child/tensors/tensor.js';
import { fixture, openFixture } from '../../../support/fixtures.js';
import { foldedModel } from '../../../support/folded.js';
import { linearZoo } from '../../../support/linear-zoo.js';
import { buildModel } from '../../../support/model-builder.js';
import { type OpenModel, openBytes } from '../../../support/open.js';
import { countRoundings, magnitudeModel, outputBound } from '../../../support/output-bound.js';
import { specOf } from '../../../support/respec.js';

const runtime = loadRuntime();

async function run(bytes: Uint8Array, input: string, x: RuntimeTensor, output: string): Promise<Float32Array> {
	const session = await runtime.createSession(bytes, { levels: ['disabled'] });
	const result = (await session.run(new Map([[input, x]]), [output])).get(output);
	await session.release();
	assert.ok(result && result.data instanceof Float32Array);
	return result.data;
}

function randomInput(shape: readonly number[], seed: number): RuntimeTensor {
	const random = seededRandom(seed);
	const length = shape.reduce((product, dim) => product * dim, 1);
	return { type: 'float32', dims: shape, data: Float32Array.from({ length }, () => random.normal()) };
}

/** Largest difference of the outputs, each element's divided by what rounding can make of it. */
async function excess(original: OpenModel, deployed: Uint8Array, x: RuntimeTensor): Promise<number> {
	const { inputs, outputs } = original.model.graph;
	const [input, output] = [inputs[0]?.name ?? '', outputs[0]?.name ?? ''];
	const spec = await specOf(original);
	const magnitudes = { ...x, data: (x.data as Float32Array).map(Math.abs) };
	const [a, b, sums] = await Promise.all([
		run(original.bytes, input, x, output),
		run(deployed, input, x, output),
		run(buildModel(magnitudeModel(spec)), input, magnitudes, output),
	]);
	assert.equal(a.length, b.length);
	const roundings = countRoundings(spec, x.dims);
	const ratios = a.map((value, index) => Math.abs(value - b[index]) / outputBound(sums[index], roundings));
	return ratios.reduce((most, ratio) => (ratio <= most ? most : ratio), 0);
}

test('the runtime computes the same from original and folded model, in every small arrangement', async () => {
	let folded = 0;
	for (const { bytes, shape, description } of [...linearZoo(60), ...linearZoo(60, { chains: true })]) {
		const after = await foldedModel(bytes);
		folded += after.length === bytes.length ? 0 : 1;
		const ratio = await excess(await openBytes(bytes), after, randomInput(shape, 1));
		assert.ok(ratio <= 1, `${description}: ${ratio}`);
	}
	assert.ok(folded > 80, `${folded} of 120 folded`);
});

const MODELS = ['plain_cnn', 'depthwise', 'generator', 'preact', 'mlp', 'conv1d', 'conv3d'];

test("PyTorch's models give the same outputs once they are folded here", async () => {
	for (const name of MODELS) {
		const { shape, data } = parseNpy(await readFile(fixture(`${name}.input.npy`)), name);
		const x: RuntimeTensor = { type: 'float32', dims: shape, data: Float32Array.from(data as Float32Array) };
		const original = await openFixture(`${name}.onnx`);
		const ratio = await excess(original, await foldedModel(original.bytes), x);
		assert.ok(ratio <= 1, `${name}: ${ratio}`);
		// Not so once layers are folded wrongly.
		const wrong = await excess(original, await foldedModel(original.bytes, { 0: 10, 1: 10 }), x);
		assert.ok(wrong > 1, `${name}: ${wrong}`);
	}
});

test("behind a Conv a fold is the runtime's own to rounding", async () => {
	const folder = await mkdtemp(path.join(tmpdir(), 'fusion-'));
	const { weightRelative } = foldTolerance('float32');
	try {
		for (const name of ['plain_cnn', 'depthwise', 'conv1d', 'conv3d']) {
			const original = await openFixture(`${name}.onnx`);
			const file = path.join(folder, `${name}.onnx`);
			const session = await runtime.createSession(original.bytes, { levels: ['basic'], optimizedModelPath: file });
			await session.release();
			const fused = await openBytes(await readFile(file));
			const { summary } = await compareModels(compared(original), compared(fused));
			const fusions = await weightsOf(fused, /^ConvBnFusion_W_/);
			assert.ok(fusions.size > 0 && summary.match === fusions.size, name);
			const own = await weightsOf(await openBytes(await foldedModel(original.bytes)), /^/);
			for (const [weight, values] of fusions) {
				const ours = own.get(weight) ?? [];
				assert.equal(ours.length, values.length, weight);
				// Ours is rounded once, theirs computed in float32.
				const allowed = (value: number) => (weightRelative + 2 ** -24) * Math.abs(value);
				assert.ok(
					values.every((value, index) => Math.abs(value - ours[index]) <= allowed(value)),
					`${name}: ${weight}`,
				);
			}
		}
	} finally {
		await rm(folder, { recursive: true });
	}
});

const compared = ({ model, source }: OpenModel) => ({ model, access: { source } });

/** The initializers whose names begin so, by the rest of their names. */
async function weightsOf(model: OpenModel, prefix: RegExp): Promise<Map<string, readonly number[]>> {
	const { graph } = await specOf(model);
	const found = (graph.initializers ?? []).filter(({ name = '' }) => prefix.test(name));
	return new Map(found.map(({ name = '', values = [] }) => [name.replace(prefix, ''), values.map(Number)]));
}
