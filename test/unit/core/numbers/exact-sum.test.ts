import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExactSums } from '../../../../src/core/numbers/exact-sum.js';
import { seededRandom } from '../../../../src/engine/child/tensors/random.js';

function sumOf(terms: readonly number[]): number {
	const sums = new ExactSums(1);
	for (const term of terms) {
		sums.add(0, term);
	}
	return sums.value(0);
}

/** A float64 number times 2^1074, exactly. */
function scaled(value: number): bigint {
	const view = new DataView(new ArrayBuffer(8));
	view.setFloat64(0, value);
	const bits = view.getBigUint64(0);
	const exponent = (bits >> 52n) & 0x7ffn;
	const fraction = bits & ((1n << 52n) - 1n);
	const magnitude = exponent === 0n ? fraction : (fraction | (1n << 52n)) << (exponent - 1n);
	return value < 0 ? -magnitude : magnitude;
}

test('sums are rounded once, also if terms cancel', () => {
	assert.equal(sumOf([]), 0);
	assert.equal(sumOf([1e100, 1, -1e100]), 1);
	assert.equal(sumOf([1e16, 1, 1e-16]), 10000000000000002);
	assert.equal(sumOf([2 ** 53, 1, 2 ** -40]), 2 ** 53 + 2);
	assert.equal(sumOf([2 ** 53, 1, -(2 ** -40)]), 2 ** 53);
	assert.equal(sumOf([1e16 - 2, 1 - 2 ** -53, -(1e16 - 2), -(1 - 2 ** -53)]), 0);
});

test('order and grouping do not change a bit, and the terms add up to the sum', () => {
	const random = seededRandom(3);
	for (let round = 0; round < 50; round++) {
		const terms = Array.from({ length: 60 }, () => random.normal() * 2 ** Math.floor(random.uniform() * 120 - 60));
		const shuffled = terms.map((term) => ({ term, key: random.uniform() })).sort((a, b) => a.key - b.key);
		assert.equal(sumOf(shuffled.map(({ term }) => term)), sumOf(terms));
		const parts = new ExactSums(2);
		for (const [i, term] of terms.entries()) {
			parts.add(i % 2, term);
		}
		const exact = terms.reduce((sum, term) => sum + scaled(term), 0n);
		const kept = [...parts.terms(0), ...parts.terms(1)];
		assert.equal(
			kept.reduce((sum, term) => sum + scaled(term), 0n),
			exact,
		);
		assert.equal(sumOf(kept), sumOf(terms));
		const whole = new ExactSums(1);
		const backwards = new ExactSums(1);
		for (const term of terms) {
			whole.add(0, term);
		}
		for (const term of terms.toReversed()) {
			backwards.add(0, term);
		}
		assert.deepEqual(whole.terms(0), backwards.terms(0));
	}
});

test('products are added without rounding', () => {
	const random = seededRandom(5);
	for (let round = 0; round < 200; round++) {
		const [a, b] = [Math.floor(random.uniform() * 2 ** 40), random.normal()];
		const sums = new ExactSums(1);
		sums.addProduct(0, a, b);
		const exact = sums.terms(0).reduce((sum, term) => sum + scaled(term), 0n);
		assert.equal(exact, BigInt(a) * scaled(b));
	}
});
