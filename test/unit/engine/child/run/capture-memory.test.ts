import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { CaptureMemory } from '../../../../../src/engine/child/run/capture-memory.js';
import { createKernel } from '../../../../../src/kernel/index.js';
import type { Kernel } from '../../../../../src/kernel/types.js';
import { poisoningKernel } from '../../../support/poisoning-kernel.js';

let kernel: Kernel;

before(async () => {
	kernel = poisoningKernel(await createKernel());
});

const SIZES = new Map([
	['a', { type: 'float32', dims: [3, 5] }],
	['b', { type: 'float16', dims: [7] }],
	['c', { type: 'int64', dims: [2] }],
]);

test('a model is lent memory if its tensors need as much, or if it is small', async () => {
	const memory = new CaptureMemory(kernel);
	const lend = (model: number, tensors: number, budget: number) => memory.lend({ model, tensors }, budget);
	const sizes = ({ model, rest }: ReturnType<typeof lend>) => [model?.length, rest.length];
	assert.deepEqual(sizes(lend(1000, 3000, 1e6)), [1000, 2000]);
	assert.deepEqual(sizes(lend(3000, 1000, 1e6)), [3000, 0], 'small compared with the budget');
	assert.deepEqual(sizes(lend(3000, 1000, 4000)), [undefined, 1000], 'neither');
	assert.deepEqual(sizes(lend(3000, 4000, 4000)), [undefined, 0], 'too many tensors to capture at once');
	assert.deepEqual(sizes(lend(2 ** 33, 2 ** 33, 2 ** 40)), [undefined, 0], 'more than the memory can hold');
	const scalar = new CaptureMemory(await createKernel({ simd: false }));
	assert.deepEqual(sizes(scalar.lend({ model: 10, tensors: 10 }, 1e6)), [undefined, 0]);
	const { model, rest } = lend(1000, 3000, 1e6);
	assert.equal(model?.buffer, rest.buffer);
	assert.equal(rest.byteOffset, (model?.byteOffset ?? 0) + 1000);
});

test('tensors of a group have their sizes and do not overlap; types that the kernel does not take are left out', () => {
	const tensors = new CaptureMemory(kernel).allocate(SIZES);
	const [a, b] = [tensors.get('a'), tensors.get('b')];
	assert.ok(a?.data instanceof Float32Array && b?.data instanceof Uint16Array);
	assert.deepEqual([[...tensors.keys()], a.data.length, b.data.length], [['a', 'b'], 15, 7]);
	assert.ok(a.data.byteOffset + a.data.byteLength <= b.data.byteOffset);
	const huge = new Map([['a', { type: 'float32', dims: [2 ** 31] }]]);
	assert.equal(new CaptureMemory(kernel).allocate(huge).size, 0);
});

test('each use of the memory ends the previous use', () => {
	const memory = new CaptureMemory(kernel);
	const first = () => {
		const data = memory.allocate(SIZES).get('a')?.data;
		assert.ok(data instanceof Float32Array);
		data.fill(1);
		return data;
	};
	for (const next of [
		() => memory.release(),
		() => memory.allocate(new Map()),
		() => memory.lend({ model: 1, tensors: 10 }, 1e6),
	]) {
		const data = first();
		next();
		assert.ok(
			data.every((value) => Number.isNaN(value)),
			'views from before give NaN',
		);
	}
	const { model } = memory.lend({ model: 40, tensors: 100 }, 1e6);
	model?.fill(1);
	memory.release();
	assert.equal(model?.[0], 0xff);
});
