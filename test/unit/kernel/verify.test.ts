import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { FloatType } from '../../../src/core/numbers/float-formats.js';
import type { Kernel, Layout, VerifyRequest, VerifyResult } from '../../../src/kernel/index.js';
import {
	activations,
	BOUND_FACTOR,
	KINDS,
	kernelOf,
	PLACES,
	type Place,
	parameters,
	put,
	runtimeOutput,
	TYPES,
} from '../support/kernel-cases.js';
import {
	type ChannelReference,
	fromNumbers,
	layoutOf,
	momentsReference,
	sizeOf,
	toNumbers,
	verifyReference,
} from '../support/kernel-reference.js';

/** Planes shorter and longer than a vector, a run, a stage; one huge plane; rank 2; many channels; nothing at all. */
const LAYOUTS: readonly Layout[] = [
	...[0, 1, 3, 4, 5, 7, 8, 9, 1023].map((planeSize) => layoutOf(2, 3, planeSize)),
	...[1024, 1025, 1028, 1031, 2051].map((planeSize) => layoutOf(2, 2, planeSize)),
	...[0, 1, 3, 4, 5, 7, 8, 9, 130, 1023].map((batch) => layoutOf(batch, 5, 1)),
	...[0, 1, 3, 4, 7, 8, 9, 1023].map((channels) => layoutOf(6, channels, 1)),
	layoutOf(3, 18, 49),
	layoutOf(1, 1, 20_001),
	layoutOf(2, 0, 4),
	layoutOf(2, 530, 2),
	layoutOf(40, 1, 300),
	layoutOf(17, 600, 1),
];

interface Case {
	readonly layout: Layout;
	readonly dtype?: FloatType;
	readonly place?: Place;
	readonly perActivation?: boolean;
	readonly seed?: number;
}

function requestOf(
	kernel: Kernel,
	{ layout, dtype = 'float32', place = 'own', perActivation = false, seed = 1 }: Case,
) {
	const count = perActivation ? layout.channels * layout.planeSize : layout.channels;
	const { boundSlope, boundOffset, ...affine } = parameters(seed, count);
	const factor = BOUND_FACTOR[dtype];
	const x = put(kernel, place, activations(seed + 1, sizeOf(layout), dtype), dtype);
	const y = put(kernel, place, runtimeOutput(x, dtype, layout, affine), dtype);
	// Growing the kernel's memory for y detaches x.
	const again = place === 'kernel' ? put(kernel, place, activations(seed + 1, sizeOf(layout), dtype), dtype) : x;
	return {
		...{ x: again, y, dtype, layout, perActivation, ...affine },
		boundSlope: boundSlope.map((bound) => bound * factor),
		boundOffset: boundOffset.map((bound) => bound * factor),
	};
}

/** Within the rounding that types.ts allows: maxima 2^-22, sums 2^-16, moments 2^-28. */
function assertClose(actual: number, expected: number, bits: number, what: string): void {
	const close =
		Object.is(actual, expected) ||
		Math.abs(actual - expected) <= 2 ** -bits * Math.abs(expected) ||
		actual === expected;
	assert.ok(close, `${what}: ${actual}, expected ${expected}`);
}

/**
 * By how much the largest error of a channel within its bounds may be overstated: types.ts, at the largest |x| of the whole
 * tensor's units, which is not less than the channel's own.
 */
function overstatement({ scale, shift, likely, layout }: VerifyRequest, channel: number, largestX: number): number {
	const u = 2 ** -24;
	const units = scale.length / layout.channels;
	const each = Array.from({ length: units }, (_, i) => {
		const k = channel * units + i;
		const s = Math.fround((likely?.scale ?? scale)[k]);
		const t = Math.fround((likely?.shift ?? shift)[k]);
		const slope = Math.abs(s - scale[k]) + 2 * u * Math.abs(s);
		return 2 * (slope * largestX + Math.abs(t - shift[k]) + u * Math.abs(t)) + 2 ** -147;
	});
	return Math.max(...each);
}

/** Between the error itself and what it may be overstated by, where that is allowed. */
function assertError(
	kernel: Kernel,
	request: VerifyRequest,
	actual: number,
	channel: ChannelReference,
	c: number,
): void {
	if (kernel.kind === 'scalar' || request.dtype === 'float64' || channel.firstBad >= 0) {
		assertClose(actual, channel.maxAbs, 22, `maxAbs of channel ${c}`);
		return;
	}
	const largestX = channel.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
	const most = channel.maxAbs + overstatement(request, c, largestX);
	assert.ok(actual >= channel.maxAbs * (1 - 2 ** -22), `maxAbs of channel ${c}: ${actual} is below ${channel.maxAbs}`);
	assert.ok(
		!(actual > most * (1 + 2 ** -18)),
		`maxAbs of channel ${c}: ${actual}, at most ${most} for ${channel.maxAbs}`,
	);
}

function assertMatches(kernel: Kernel, request: VerifyRequest, result: VerifyResult = kernel.verify(request)): void {
	const channels = verifyReference(request);
	channels.forEach((channel, c) => {
		assertError(kernel, request, result.maxAbs[c], channel, c);
		assertClose(result.bound[c], channel.bound, 50, `bound of channel ${c}`);
		const isWithin = channel.firstBad < 0;
		const share = result.maxAbs[c] > 0 ? result.maxAbs[c] / result.bound[c] : 0;
		assertClose(result.boundRatio[c], isWithin ? share : channel.boundRatio, 21, `boundRatio of channel ${c}`);
		assert.equal(result.boundRatio[c] > 1, !isWithin, `verdict on channel ${c}`);
		if (!isWithin && !request.perActivation) {
			assertClose(result.sumSquares[c], channel.sumSquares, 16, `sumSquares of channel ${c}`);
		} else {
			assert.ok(result.sumSquares[c] >= channel.sumSquares * (1 - 2 ** -16), `sumSquares of channel ${c}`);
			assert.ok(result.sumSquares[c] <= result.count * result.maxAbs[c] ** 2 * (1 + 2 ** -16));
		}
		assert.equal(result.firstBad[c], channel.firstBad, `firstBad of channel ${c}`);
		assert.equal(result.moments.nonFinite[c], channel.nonFiniteX, `nonFiniteX of channel ${c}`);
		assert.equal(result.nonFiniteY[c], channel.nonFiniteY, `nonFiniteY of channel ${c}`);
		assertMoments(result, channel, c);
	});
	assertClose(result.maxUlp, Math.max(0, ...channels.map(({ maxUlp }) => maxUlp)), 21, 'maxUlp');
	assertClose(result.maxRel, Math.max(0, ...channels.map(({ maxRel }) => maxRel)), 21, 'maxRel');
	assert.equal(result.count, request.layout.batch * request.layout.planeSize);
}

function assertMoments(result: VerifyResult, channel: ChannelReference, c: number): void {
	const { count, mean, m2 } = momentsReference(channel.values);
	assert.equal(result.moments.count[c], count);
	const lost = Math.log2(1 + Math.sqrt(m2) / (Math.abs(mean) * (count || 1) || 1));
	assertClose(result.moments.mean[c], mean, 40 - lost, `mean of channel ${c}`);
	assertClose(result.moments.m2[c], m2, 28, `m2 of channel ${c}`);
}

for (const kind of KINDS) {
	describe(`${kind} verification`, () => {
		for (const layout of LAYOUTS) {
			const name = Object.values(layout).join(' x ');
			test(`agrees with the definition on ${name}, wherever the tensors are`, async () => {
				for (const place of PLACES) {
					const kernel = await kernelOf(kind);
					kernel.reserve(4 * 64 + 32 * sizeOf(layout));
					const request = requestOf(kernel, { layout, place, seed: sizeOf(layout) });
					assertMatches(kernel, request);
				}
			});
		}

		for (const dtype of TYPES) {
			test(`agrees with the definition for ${dtype}, per channel and per activation`, async () => {
				const kernel = await kernelOf(kind);
				for (const perActivation of [false, true]) {
					for (const place of PLACES) {
						for (const layout of [layoutOf(6, 7, 9), layoutOf(9, 21, 1), layoutOf(1, 2, 1500)]) {
							kernel.reset();
							kernel.reserve(4 * 64 + 32 * sizeOf(layout));
							const request = requestOf(kernel, { layout, dtype, place, perActivation });
							assertMatches(kernel, request);
						}
					}
				}
			});
		}

		test('finds no error where the runtime is right, and the first wrong element where it is not', async () => {
			const kernel = await kernelOf(kind);
			const layout = layoutOf(3, 4, 700);
			const request = requestOf(kernel, { layout });
			assert.deepEqual([...kernel.verify(request).firstBad], [-1, -1, -1, -1]);
			for (const index of [0, 699, 700, 1023, 2801, sizeOf(layout) - 1]) {
				const y = request.y.slice();
				y[index] += 1e-3;
				const result = kernel.verify({ ...request, y });
				const c = Math.floor(index / 700) % 4;
				assert.equal(result.firstBad[c], Math.floor(index / 2800) * 700 + (index % 700));
				assert.ok(result.boundRatio[c] > 100);
				assertMatches(kernel, { ...request, y }, result);
			}
		});

		test('y made with another scale and shift, or rounded once only, are judged by their errors', async () => {
			const kernel = await kernelOf(kind);
			for (const layout of [
				[3, 4, 700],
				[5, 6, 49],
				[2, 3, 9],
				[1, 2, 1025],
				[1, 2, 1031],
				[70, 5, 1],
			].map(([n, c, i]) => layoutOf(n, c, i))) {
				for (const dtype of ['float32', 'float16', 'bfloat16'] as const) {
					const request = requestOf(kernel, { layout, dtype });
					const off = (values: Float64Array, by: number) =>
						values.map((value) => Math.fround(value) * (1 + by * 2 ** -23));
					for (const by of [0, 1, -2, 40]) {
						const likely = { scale: off(request.scale, by), shift: off(request.shift, -by) };
						const y = runtimeOutput(request.x, dtype, layout, likely);
						assertMatches(kernel, { ...request, y });
						assertMatches(kernel, { ...request, y, likely });
					}
					const fused = toNumbers(request.x, dtype).map((value, i) => {
						const c = Math.floor(i / layout.planeSize) % layout.channels;
						return value * request.scale[c] + request.shift[c];
					});
					assertMatches(kernel, { ...request, y: fromNumbers(fused, dtype) });
				}
			}
		});

		test('likely scales and shifts that are unrelated to the layer change no verdict', async () => {
			const kernel = await kernelOf(kind);
			const layout = layoutOf(2, 6, 50);
			const request = requestOf(kernel, { layout });
			for (const wild of [0, -1, 1e30, 1e-42, Number.NaN, Number.POSITIVE_INFINITY]) {
				const likely = { scale: new Float64Array(6).fill(wild), shift: new Float64Array(6).fill(wild) };
				assertMatches(kernel, { ...request, likely });
				const y = request.y.slice();
				y[77] += 1e-3;
				assertMatches(kernel, { ...request, y, likely });
			}
		});

		test('agrees with the definition on any layout, with any few elements wrong', async () => {
			const kernel = await kernelOf(kind);
			const anyCase = fc.record({
				batch: fc.integer({ min: 1, max: 40 }),
				channels: fc.integer({ min: 1, max: 20 }),
				planeSize: fc.oneof(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1000, max: 2200 })),
				dtype: fc.constantFrom<FloatType>('float32', 'float32', 'float16', 'bfloat16'),
				place: fc.constantFrom(...PLACES),
				perActivation: fc.boolean(),
				seed: fc.nat(1000),
				wrong: fc.array(fc.tuple(fc.nat(), fc.constantFrom(1e-6, 0.1, -3)), { maxLength: 3 }),
			});
			fc.assert(
				fc.property(anyCase, ({ batch, channels, planeSize, wrong, ...rest }) => {
					const layout = layoutOf(Math.min(batch, Math.ceil(12_000 / (channels * planeSize))), channels, planeSize);
					kernel.reset();
					kernel.reserve(4 * 64 + 32 * sizeOf(layout));
					const request = requestOf(kernel, { layout, ...rest });
					const y = toNumbers(request.y, rest.dtype);
					for (const [index, by] of wrong) {
						y[index % y.length] += by;
					}
					assertMatches(kernel, { ...request, y: fromNumbers(y, rest.dtype) });
				}),
				{ seed: 11, numRuns: 60 },
			);
		});

		test('finds a single wrong element in any place', async () => {
			const kernel = await kernelOf(kind);
			// Every remainder of octets, vectors and runs, behind others and alone, and as many images as make runs of their own.
			const inners = [...Array(20).keys()].flatMap((rest) => [rest + 1, 1020 + rest, 2048 + rest]);
			for (const layout of [
				...inners.map((planeSize) => layoutOf(1, 2, planeSize)),
				layoutOf(9, 3, 11),
				layoutOf(131, 2, 1),
			]) {
				const request = requestOf(kernel, { layout, seed: layout.planeSize });
				const size = sizeOf(layout);
				const channel = (index: number) => Math.floor(index / layout.planeSize) % layout.channels;
				for (let index = size - 1; index >= 0; index -= index > size - 20 || size < 400 ? 1 : 97) {
					const y = request.y.slice();
					y[index] += 1e-3;
					const { firstBad } = kernel.verify({ ...request, y });
					const bad = [...firstBad.keys()].filter((c) => firstBad[c] >= 0);
					assert.deepEqual(bad, [channel(index)], `element ${index} of ${Object.values(layout).join(' x ')}`);
				}
			}
		});

		test('no number that is not finite hides an error or goes uncounted', async () => {
			const kernel = await kernelOf(kind);
			const layout = layoutOf(3, 5, 130);
			const clean = requestOf(kernel, { layout });
			const special = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 3.4e38, 0);
			const planted = fc.array(fc.tuple(fc.constantFrom('x', 'y', 'both'), fc.nat(sizeOf(layout) - 1), special), {
				minLength: 1,
				maxLength: 4,
			});
			fc.assert(
				fc.property(planted, (plants) => {
					const x = clean.x.slice();
					const y = clean.y.slice();
					for (const [where, index, value] of plants) {
						if (where !== 'y') {
							x[index] = value;
						}
						if (where !== 'x') {
							y[index] = value;
						}
					}
					const request = { ...clean, x, y };
					assertMatches(kernel, request);
				}),
				{ seed: 5, numRuns: 40 },
			);
		});

		test('an infinity is right where the result overflows the type', async () => {
			const kernel = await kernelOf(kind);
			const one = {
				scale: Float64Array.of(2),
				shift: Float64Array.of(0),
				boundSlope: Float64Array.of(1e-6),
				boundOffset: Float64Array.of(0),
			};
			const verify = (dtype: FloatType, x: number, y: number) =>
				kernel.verify({
					...one,
					dtype,
					layout: layoutOf(1, 1, 1),
					x: fromNumbers([x], dtype),
					y: fromNumbers([y], dtype),
				});
			assert.equal(verify('float32', 3e38, Number.POSITIVE_INFINITY).maxAbs[0], 0);
			assert.equal(verify('float32', -3e38, Number.POSITIVE_INFINITY).maxAbs[0], Number.POSITIVE_INFINITY);
			assert.equal(verify('float16', 40000, Number.POSITIVE_INFINITY).maxAbs[0], 0);
			assert.equal(verify('float16', 30000, Number.POSITIVE_INFINITY).firstBad[0], 0);
		});

		test('parameters that are not finite call for outputs of the same kind', async () => {
			const kernel = await kernelOf(kind);
			const layout = layoutOf(1, 3, 4);
			const x = Float32Array.of(1, 2, -3, 4, 1, 2, -3, 4, 1, 2, -3, 4);
			const y = x.map((value, i) => (i < 4 ? Number.NaN : i < 8 ? value * Number.POSITIVE_INFINITY : value));
			const request: VerifyRequest = {
				...{ x, y, dtype: 'float32', layout },
				scale: Float64Array.of(Number.NaN, Number.POSITIVE_INFINITY, Number.NaN),
				shift: new Float64Array(3),
				boundSlope: new Float64Array(3),
				boundOffset: new Float64Array(3).fill(Number.POSITIVE_INFINITY),
			};
			assert.deepEqual([...kernel.verify(request).maxAbs], [0, 0, Number.POSITIVE_INFINITY]);
		});

		test('reports whether y is the predicted value to the last bit', async () => {
			const kernel = await kernelOf(kind);
			for (const layout of [layoutOf(3, 4, 700), layoutOf(5, 6, 49), layoutOf(2, 3, 5), layoutOf(70, 5, 1)]) {
				const request = requestOf(kernel, { layout });
				assert.equal(kernel.verify(request).asPredicted, kind === 'simd');
				for (let index = 0; index < sizeOf(layout); index += 11) {
					const y = Float32Array.from(request.y);
					const bits = new Int32Array(y.buffer);
					bits[index] ^= 1;
					assert.equal(kernel.verify({ ...request, y }).asPredicted, false);
				}
			}
		});

		test('errors far below and above float32 keep their size', async () => {
			const kernel = await kernelOf(kind);
			for (const size of [1e-30, 1e-12, 1, 1e12, 1e30]) {
				const layout = layoutOf(2, 3, 40);
				const request = requestOf(kernel, { layout });
				const scaled = {
					...request,
					x: fromNumbers(
						toNumbers(request.x, 'float32').map((value) => value * size),
						'float32',
					),
					y: fromNumbers(
						toNumbers(request.y, 'float32').map((value) => value * size),
						'float32',
					),
					shift: request.shift.map((value) => value * size),
				};
				assertMatches(kernel, scaled);
			}
		});
	});
}
