import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { areRepresentable, roundTo, ulp } from '../../../../src/core/numbers/float-formats.js';
import { bfloat16Bits, float16Bits } from '../../support/elements.js';

/** The value of a float16's bits. */
function fromHalf(bits: number): number {
	const exponent = (bits >> 10) & 31;
	const fraction = bits & 1023;
	const sign = bits & 0x8000 ? -1 : 1;
	if (exponent === 31) {
		return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
	}
	return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
}

const fromBfloat = (bits: number) => new Float32Array(new Uint32Array([bits << 16]).buffer)[0];

test('float16 rounds as its encoder does: ties, subnormals, overflow', () => {
	const tricky = [1 + 2 ** -11, 1 + 3 * 2 ** -11, 65519.9, 65520, 2 ** -25, 3 * 2 ** -25, 2 ** -24, 6.1e-5, 0.1, 1e-9];
	for (const value of [...tricky, ...tricky.map((x) => -x)]) {
		assert.equal(roundTo(value, 'float16') + 0, fromHalf(float16Bits(value)) + 0, String(value));
	}
	fc.assert(
		fc.property(fc.double({ min: -7e4, max: 7e4, noNaN: true }), (value) => {
			assert.equal(roundTo(value, 'float16') + 0, fromHalf(float16Bits(value)) + 0);
		}),
	);
});

test('bfloat16 rounds a float32 as its encoder does', () => {
	fc.assert(
		fc.property(
			fc.float({ noNaN: true, noDefaultInfinity: true, max: Math.fround(3e38), min: Math.fround(-3e38) }),
			(value) => {
				assert.equal(roundTo(value, 'bfloat16') + 0, fromBfloat(bfloat16Bits(value)) + 0);
			},
		),
	);
});

test('a narrow type is rounded to once, not by way of float32', () => {
	// Just above the tie between two float16 numbers, by less than a float32 can tell: up, where float32 would say tie.
	const value = 1 + 2 ** -11 + 2 ** -40;
	assert.equal(roundTo(value, 'float16'), 1 + 2 ** -10);
	assert.equal(roundTo(Math.fround(value), 'float16'), 1);
});

test('NaN and infinities stay', () => {
	for (const dtype of ['float16', 'bfloat16', 'float32', 'float64'] as const) {
		assert.ok(Number.isNaN(roundTo(Number.NaN, dtype)));
		assert.equal(roundTo(Number.NEGATIVE_INFINITY, dtype), Number.NEGATIVE_INFINITY);
	}
});

test('a unit in the last place is the distance to the next number', () => {
	for (const value of [1, 1.5, 0.1, 1234.5, 2 ** -130, 1e-45]) {
		const bits = new Int32Array(new Float32Array([value]).buffer);
		const own = new Float32Array(bits.buffer)[0];
		bits[0] += 1;
		assert.equal(ulp(own, 'float32'), new Float32Array(bits.buffer)[0] - own);
	}
	assert.equal(ulp(1, 'float16'), 2 ** -10);
	assert.equal(ulp(0, 'float16'), 2 ** -24);
	assert.equal(ulp(1, 'float64'), Number.EPSILON);
});

test('areRepresentable finds values that survive a narrower type', () => {
	assert.ok(areRepresentable([1, -0.5, 65504, 2 ** -24, Number.NaN], 'float16'));
	assert.ok(!areRepresentable([1, 0.1], 'float16'));
	assert.ok(!areRepresentable([65536], 'float16'));
	assert.ok(areRepresentable([65536], 'bfloat16'));
});
