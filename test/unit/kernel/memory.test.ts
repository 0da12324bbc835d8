import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createKernel } from '../../../src/kernel/index.js';
import { ScalarKernel } from '../../../src/kernel/scalar.js';
import { activations, kernelOf } from '../support/kernel-cases.js';
import { layoutOf } from '../support/kernel-reference.js';

test('arrays are handed out aligned, apart from each other, and again after a reset', async () => {
	const kernel = await kernelOf('simd');
	kernel.reserve(4000);
	const arrays = [kernel.allocate('float32', 3), kernel.allocate('float16', 5), kernel.allocate('float64', 100)];
	for (const [i, array] of arrays.entries()) {
		assert.equal(array.byteOffset % 16, 0);
		array.fill(i + 1);
	}
	assert.deepEqual(
		arrays.map((array) => new Set(array)),
		[new Set([1]), new Set([2]), new Set([3])],
	);
	kernel.reset();
	assert.equal(kernel.allocate('float32', 3).byteOffset, arrays[0].byteOffset);
});

test('reserved room is lent without detaching any array', async () => {
	const kernel = await kernelOf('simd');
	kernel.reserve(3 * (4e6 + 16));
	const first = kernel.allocate('float32', 1e6);
	kernel.allocate('float32', 1e6);
	kernel.allocate('float32', 1e6);
	assert.equal(first.length, 1e6);
	kernel.allocate('float32', 1e7);
	assert.equal(first.length, 0, 'growing detaches');
	assert.throws(() => kernel.moments(first, 'float32', layoutOf(1, 1, 1e6)), { name: 'RangeError' });
});

test('memory that is lent is where arrays were and will be', async () => {
	const kernel = await kernelOf('simd');
	const { byteOffset } = kernel.allocate('float32', 100);
	const lent = kernel.borrow(1e7);
	assert.equal(lent.byteOffset, byteOffset);
	assert.equal(lent.length, 1e7);
	lent.fill(255);
	const next = kernel.allocate('float32', 100);
	assert.equal(next.byteOffset, lent.byteOffset);
	assert.ok(next.every(Number.isNaN));
	assert.throws(() => kernel.borrow(2 ** 33), RangeError);
	assert.equal((await createKernel({ simd: false })).borrow(10).length, 10);
});

test('results do not depend on the previous content of the memory', async () => {
	const kernel = await kernelOf('simd');
	const layout = layoutOf(3, 5, 49);
	const x = activations(1, 735, 'float32');
	const before = kernel.moments(x, 'float32', layout);
	const room = kernel.allocate('float32', 1e5) as Float32Array;
	room.fill(Number.NaN);
	kernel.moments(room.subarray(7, 742), 'float32', layout);
	kernel.reset();
	const again = kernel.allocate('float32', 735);
	again.set(x);
	assert.deepEqual(kernel.moments(again, 'float32', layout), before);
});

test('more memory than WebAssembly has is refused with a reason', async () => {
	const kernel = await kernelOf('simd');
	assert.throws(() => kernel.reserve(2 ** 33), { name: 'RangeError', message: /cannot grow to 8193 MiB/ });
	assert.equal(kernel.allocate('float32', 10).length, 10, 'and what there is stays usable');
});

test('without WebAssembly SIMD, or on request, the kernel is plain TypeScript', async (context) => {
	assert.equal((await createKernel({ simd: false })).kind, 'scalar');
	context.mock.method(WebAssembly, 'validate', () => false);
	const kernel = await createKernel();
	assert.equal(kernel.kind, 'scalar');
	kernel.reserve(100);
	assert.equal(kernel.allocate('bfloat16', 4).constructor, Uint16Array);
	kernel.reset();
});

test('without address space for WebAssembly the kernel is plain JavaScript', async (t) => {
	const refuse = class {
		constructor() {
			throw new RangeError('WebAssembly.Memory(): could not allocate memory');
		}
	};
	const { Memory } = WebAssembly;
	t.after(() => Object.assign(WebAssembly, { Memory }));
	Object.assign(WebAssembly, { Memory: refuse });
	assert.ok((await createKernel()) instanceof ScalarKernel);
});
