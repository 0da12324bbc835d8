import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHalf, widen } from '../../../src/core/numbers/small-floats.js';
import { KINDS, kernelOf } from '../support/kernel-cases.js';
import { layoutOf, toNumbers } from '../support/kernel-reference.js';

const PATTERNS = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
const HALF_TYPES = ['float16', 'bfloat16'] as const;

for (const dtype of HALF_TYPES) {
	const values = toNumbers(PATTERNS, dtype);

	test(`all 65,536 ${dtype} patterns widen to their exact value`, async () => {
		const widened = widen(PATTERNS, dtype, { start: 0, stride: 1, length: 65536 });
		assert.deepEqual([...widened], values);
		for (const kind of KINDS) {
			const kernel = await kernelOf(kind);
			const out = new Float32Array(65536);
			const [scale, shift] = [Float64Array.of(1), Float64Array.of(-0)];
			kernel.apply({ x: PATTERNS, dtype, layout: layoutOf(1, 1, 65536), scale, shift, out });
			assert.deepEqual([...out], values, kind);
		}
	});

	test(`${dtype} patterns survive widening and narrowing, NaN as a NaN of the same sign`, () => {
		values.forEach((value, bits) => {
			const narrowed = toHalf(value, dtype);
			if (Number.isNaN(value)) {
				assert.ok(Number.isNaN(toNumbers(Uint16Array.of(narrowed), dtype)[0]));
			} else {
				assert.equal(narrowed, bits);
			}
		});
	});

	test(`numbers between two ${dtype} neighbors go to the nearer one, from the middle to the even one`, () => {
		const infinity = toHalf(Number.POSITIVE_INFINITY, dtype);
		for (let bits = 0; bits + 1 < infinity; bits++) {
			const [low, high] = [values[bits], values[bits + 1]];
			const middle = (low + high) / 2;
			// As near as float64 comes: rounding to float32 on the way would lose the difference.
			const offset = (high - low) * 2 ** -40;
			assert.equal(toHalf(middle - offset, dtype), bits);
			assert.equal(toHalf(middle + offset, dtype), bits + 1);
			assert.equal(toHalf(middle, dtype), bits % 2 === 0 ? bits : bits + 1);
			assert.equal(toHalf(-middle, dtype), 0x8000 + (bits % 2 === 0 ? bits : bits + 1));
		}
		const largest = values[infinity - 1];
		const step = largest - values[infinity - 2];
		assert.equal(toHalf(largest + step * 0.499, dtype), infinity - 1);
		assert.equal(toHalf(largest + step / 2, dtype), infinity);
		assert.equal(toHalf(-1e300, dtype), 0x8000 + infinity);
		assert.equal(toHalf(Number.MIN_VALUE, dtype), 0);
		assert.equal(toHalf(-0, dtype), 0x8000);
	});
}
