import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { seededRandom } from '../../../../src/engine/child/random.js';
import { loadRuntime, type RuntimeTensor } from '../../../../src/engine/child/runtime.js';
import { fixture } from '../../support/fixtures.js';
import { foldedModel } from '../../support/folded.js';
import { linearZoo } from '../../support/linear-zoo.js';

const runtime = loadRuntime();

async function run(
	bytes: Uint8Array,
	feeds: ReadonlyMap<string, RuntimeTensor>,
	output: string,
): Promise<Float32Array> {
	const session = await runtime.createSession(bytes, { levels: ['disabled'] });
	const result = (await session.run(feeds, [output])).get(output);
	await session.release();
	assert.ok(result && result.data instanceof Float32Array);
	return result.data;
}

/** Largest difference relative to the largest value. */
function difference(a: Float32Array, b: Float32Array): number {
	assert.equal(a.length, b.length);
	const size = a.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
	return a.reduce((most, value, index) => Math.max(most, Math.abs(value - b[index])), 0) / (size || 1);
}

function input(shape: readonly number[], seed: number): RuntimeTensor {
	const random = seededRandom(seed);
	const length = shape.reduce((product, dim) => product * dim, 1);
	return { type: 'float32', dims: shape, data: Float32Array.from({ length }, () => random.normal()) };
}

/** A few roundings of sums of some hundred products. */
const ROUNDING = 2e-5;

test('the runtime computes from a folded model what it computes from the original, in every small arrangement', async () => {
	let folded = 0;
	for (const { bytes, shape, description } of linearZoo(60)) {
		const after = await foldedModel(bytes);
		folded += after.length === bytes.length ? 0 : 1;
		const feeds = new Map([['x', input(shape, 1)]]);
		const distance = difference(await run(bytes, feeds, 'y'), await run(after, feeds, 'y'));
		assert.ok(distance < ROUNDING, `${description}: ${distance}`);
	}
	assert.ok(folded > 40, `${folded} of 60 folded`);
});

test("PyTorch's models give the same outputs once they are folded here", async () => {
	for (const [name, shape] of [
		['generator', [8, 16, 1, 1]],
		['plain_cnn', [8, 3, 32, 32]],
		['preact', [8, 3, 16, 16]],
		['mlp', [64, 20]],
	] as const) {
		const bytes = readFileSync(fixture(`${name}.onnx`));
		const feeds = new Map([['input', { type: 'float32', dims: shape, data: numbers(`${name}.input.npy`) } as const]]);
		const distance = difference(
			await run(bytes, feeds, 'output'),
			await run(await foldedModel(bytes), feeds, 'output'),
		);
		assert.ok(distance < ROUNDING, `${name}: ${distance}`);
	}
});

/** The elements of a float32 .npy file, whose header takes 128 bytes. */
function numbers(name: string): Float32Array {
	const file = readFileSync(fixture(name));
	return new Float32Array(Uint8Array.from(file.subarray(128)).buffer);
}
