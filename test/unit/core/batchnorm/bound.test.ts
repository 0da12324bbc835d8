import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { affine } from '../../../../src/core/batchnorm/affine.js';
import { affineBound, inferenceBound, trainingBound, withRoundedInput } from '../../../../src/core/batchnorm/bound.js';
import { FLOAT_FORMATS, type FloatType } from '../../../../src/core/numbers/float-formats.js';

const f = Math.fround;
const EPSILON = f(1e-5);
/** In a graph of float16 tensors epsilon is one of them. */
const EPSILON16 = 168 * 2 ** -24;

/** Rounds to nearest-even in a narrower format, by scaling with its spacing: independent of the product's code. */
function roundTo(value: number, name: FloatType): number {
	if (name === 'float64') {
		return value;
	}
	const { unitRoundoff, tiny } = FLOAT_FORMATS[name];
	const exponent = Math.floor(Math.log2(Math.abs(value)));
	const spacing = value === 0 ? tiny : Math.max(2 ** exponent * 2 * unitRoundoff, tiny);
	const scaled = value / spacing;
	const floor = Math.floor(scaled);
	const up = scaled - floor > 0.5 || (scaled - floor === 0.5 && floor % 2 !== 0);
	return (floor + (up ? 1 : 0)) * spacing;
}

interface Channel {
	gamma: number;
	beta: number;
	mean: number;
	variance: number;
}

/** The runtime's kernel, every operation rounded to float32, sqrt and reciprocal off by `slack` units in the last place. */
function kernel32(x: number, c: Channel, slack: number, fused: boolean): number {
	const off = (value: number) => f(value * (1 + slack * 2 ** -23));
	const inverse = off(f(1 / off(f(Math.sqrt(f(c.variance + EPSILON))))));
	const scale = f(c.gamma * inverse);
	const shift = fused ? f(c.beta - c.mean * scale) : f(c.beta - f(c.mean * scale));
	return fused ? f(x * scale + shift) : f(f(x * scale) + shift);
}

/** ((x - mean) / sqrt(v)) * gamma + beta, every step rounded. */
function textbook(x: number, c: Channel, name: FloatType, epsilon: number): number {
	const r = (value: number) => roundTo(value, name);
	return r(r(r(r(x - c.mean) / r(Math.sqrt(r(c.variance + epsilon)))) * c.gamma) + c.beta);
}

function exact(x: number, c: Channel, epsilon = EPSILON): number {
	const { scale, shift } = affine([c.gamma], [c.beta], [c.mean], [c.variance], epsilon);
	return x * scale[0] + shift[0];
}

function allowed(x: number, c: Channel, name: FloatType, arithmetic?: 'own'): number {
	const epsilon = arithmetic === 'own' ? EPSILON16 : EPSILON;
	const parameters = { gamma: [c.gamma], beta: [c.beta], mean: [c.mean], variance: [c.variance], epsilon };
	const bound = inferenceBound(parameters, name, arithmetic);
	return bound.slope[0] * Math.abs(x) + bound.offset[0];
}

/** Magnitudes from subnormal to 1e6: the underflow terms get their share. */
function number(name: FloatType, least = -12): fc.Arbitrary<number> {
	return fc
		.tuple(fc.double({ min: -1, max: 1, noNaN: true }), fc.integer({ min: least, max: 5 }))
		.map(([mantissa, exponent]) => roundTo(mantissa * 10 ** exponent, name));
}

function channel(name: FloatType, least?: number): fc.Arbitrary<Channel> {
	const value = number(name, least);
	return fc.record({ gamma: value, beta: value, mean: value, variance: value.map(Math.abs) });
}

test('float32: no order of operations, slack or fused multiply-add leaves the bound', () => {
	const slack = fc.constantFrom(-2, -1, 0, 1, 2);
	fc.assert(
		fc.property(number('float32', -42), channel('float32', -42), slack, fc.boolean(), (x, c, ulps, fused) => {
			const bound = allowed(x, c, 'float32');
			assert.ok(Math.abs(kernel32(x, c, ulps, fused) - exact(x, c)) <= bound);
			assert.ok(Math.abs(textbook(x, c, 'float32', EPSILON) - exact(x, c)) <= bound);
		}),
		{ seed: 1, numRuns: 3000 },
	);
});

test('float16: computed in float32 and rounded once, or rounded at every step', () => {
	fc.assert(
		fc.property(number('float16', -7), channel('float16', -3), (x, c) => {
			const want = exact(x, c);
			fc.pre(Math.abs(want) < FLOAT_FORMATS.float16.max);
			assert.ok(Math.abs(roundTo(kernel32(x, c, 2, false), 'float16') - want) <= allowed(x, c, 'float16'));
			const chain = textbook(x, c, 'float16', EPSILON16);
			assert.ok(Math.abs(chain - exact(x, c, EPSILON16)) <= allowed(x, c, 'float16', 'own'));
		}),
		{ seed: 2, numRuns: 3000 },
	);
});

test('the bound is tight enough to catch a wrong epsilon and a dropped mean', () => {
	const c = { gamma: f(0.9), beta: f(0.1), mean: f(0.4), variance: f(0.25) };
	const x = f(1.7);
	const error = Math.abs(exact(x, { ...c, variance: c.variance + 1e-5 }) - exact(x, c));
	assert.ok(error > 3 * allowed(x, c, 'float32'), `${error} against ${allowed(x, c, 'float32')}`);
	assert.ok(allowed(x, c, 'float32') < 40 * 2 ** -24 * (Math.abs(exact(x, c)) + 1));
});

test('float64 counts the rounding of the reference itself', () => {
	const c = { gamma: 1, beta: 0, mean: 0, variance: 1 - EPSILON };
	const bound = allowed(1, c, 'float64');
	assert.ok(bound >= 2 * 12 * 2 ** -53 && bound < 2 * 14 * 2 ** -53, String(bound));
});

test('a scale that is no number, or overflows the type, has no finite bound', () => {
	const bound = inferenceBound(
		{ gamma: [1, 1, 1e30], beta: [0, 0, 0], mean: [0, 1, 0], variance: [-1, 0, 1e-40], epsilon: 0 },
		'float32',
	);
	assert.deepEqual([...bound.slope], [0, 0, 0], 'an infinite slope would make NaN of x = 0');
	assert.deepEqual([...bound.offset], Array(3).fill(Number.POSITIVE_INFINITY));
});

test('a decomposed layer without a mean is bounded from scale and shift alone', () => {
	const bound = affineBound({ scale: [2, -0.5], shift: [0, 8] }, 'float32');
	assert.ok(bound.slope[0] === 4 * bound.slope[1]);
	assert.ok(Math.abs(f(f(f(1.1) * -0.5) + 8) - (f(1.1) * -0.5 + 8)) <= bound.slope[1] * 1.1 + bound.offset[1]);
});

/** Training mode in float32 over planes of 4 lanes, as a vectorized sum runs. */
function training32(planes: readonly Float32Array[], c: Channel): number[] {
	const count = planes.length * planes[0].length;
	const sum = (term: (x: number) => number) => {
		let total = 0;
		for (const plane of planes) {
			const lanes = [0, 0, 0, 0];
			plane.forEach((x, index) => {
				lanes[index % 4] = f(lanes[index % 4] + term(x));
			});
			total = f(total + f(f(lanes[0] + lanes[1]) + f(lanes[2] + lanes[3])));
		}
		return f(total / count);
	};
	const mean = sum((x) => x);
	const variance = sum((x) => f(f(x - mean) * f(x - mean)));
	return planes.flatMap((plane) => [...plane].map((x) => kernel32(x, { ...c, mean, variance }, 0, false)));
}

test('training mode: statistics taken in float32 stay within the bound', () => {
	const shape = fc.record({ images: fc.integer({ min: 1, max: 6 }), planeSize: fc.integer({ min: 1, max: 700 }) });
	// A constant plane is the worst case for a float32 sum: its roundings all point the same way.
	const spread = fc.constantFrom(0, 1e-4, 1, 300);
	const property = fc.property(
		shape,
		spread,
		number('float32', -3),
		number('float32', -3),
		(batch, width, gamma, at) => {
			const planes = Array.from({ length: batch.images }, (_, n) =>
				Float32Array.from({ length: batch.planeSize }, (_, i) => at + width * Math.sin(n * 7 + i * i)),
			);
			const x = planes.flatMap((plane) => [...plane]);
			const mean = x.reduce((total, value) => total + value, 0) / x.length;
			const variance = x.reduce((total, value) => total + (value - mean) ** 2, 0) / x.length;
			const c = { gamma, beta: f(0.1), mean, variance };
			const bound = trainingBound(
				{ gamma: [c.gamma], beta: [c.beta], mean: [mean], variance: [variance], epsilon: EPSILON },
				batch,
				'float32',
			);
			training32(planes, c).forEach((y, i) => {
				assert.ok(Math.abs(y - exact(x[i], c)) <= bound.slope[0] * Math.abs(x[i]) + bound.offset[0]);
			});
		},
	);
	fc.assert(property, { seed: 3, numRuns: 150 });
});

test('training mode without epsilon has no bound where rounding could make the variance zero', () => {
	const parameters = { gamma: [1, 0, 1], beta: [0, 0, 0], mean: [1e5, 1e5, 0], variance: [1e-4, 0, 1], epsilon: 0 };
	const { slope, offset } = trainingBound(parameters, { images: 1, planeSize: 64 }, 'float32');
	assert.deepEqual([...offset.subarray(0, 2)], Array(2).fill(Number.POSITIVE_INFINITY));
	assert.ok(slope[2] > 0 && slope[2] < 1e-5 && offset[2] < 1e-5);
});

test('an input that was rounded after its use moves the output by no more than the widened bound, and nearly that much', () => {
	let tightest = 0;
	const property = fc.property(
		fc.float({ min: -1000, max: 1000, noNaN: true }),
		fc.double({ min: -6e4, max: 6e4, noNaN: true }),
		(scale, used) => {
			const captured = roundTo(used, 'float16');
			const none = { slope: Float64Array.of(0), offset: Float64Array.of(0) };
			const { slope, offset } = withRoundedInput(none, Float64Array.of(scale), FLOAT_FORMATS.float16);
			const moved = Math.abs(scale * used - scale * captured);
			const bound = slope[0] * Math.abs(captured) + offset[0];
			assert.ok(moved <= bound * (1 + 1e-9), `${moved} against ${bound}`);
			tightest = Math.max(tightest, bound > 0 ? moved / bound : 0);
		},
	);
	fc.assert(property, { seed: 7, numRuns: 3000 });
	assert.ok(tightest > 0.4, String(tightest));
});
