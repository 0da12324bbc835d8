import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FloatType } from '../../../src/core/numbers/float-formats.js';
import type { Layout } from '../../../src/kernel/index.js';
import { activations, KINDS, kernelOf, PLACES, type Place, parameters, put, TYPES } from '../support/kernel-cases.js';
import { fromNumbers, layoutOf, sizeOf, toNumbers } from '../support/kernel-reference.js';

const LAYOUTS: readonly Layout[] = [
	...[0, 1, 3, 4, 5, 7, 8, 9, 1023, 17_000].map((planeSize) => layoutOf(2, 3, planeSize)),
	...[0, 1, 3, 4, 5, 7, 8, 9, 1023].map((channels) => layoutOf(5, channels, 1)),
	layoutOf(3, 530, 2),
	layoutOf(70, 13, 49),
];

/** scale * (x - center) + shift in float64, rounded once to the output's type. */
function expected(x: readonly number[], layout: Layout, values: ReturnType<typeof parametersFor>, dtype: FloatType) {
	const { scale, shift, center, perActivation } = values;
	const results = x.map((value, index) => {
		const c = Math.floor(index / layout.planeSize) % layout.channels;
		const p = perActivation ? index % (layout.channels * layout.planeSize) : c;
		return scale[p] * (value - (center?.[p] ?? 0)) + shift[p];
	});
	return fromNumbers(results, dtype);
}

function parametersFor(layout: Layout, perActivation: boolean, centered: boolean) {
	const count = perActivation ? layout.channels * layout.planeSize : layout.channels;
	const { scale, shift, boundSlope } = parameters(3, count);
	return { scale, shift, perActivation, ...(centered && { center: boundSlope.map((value) => value * 1e7) }) };
}

for (const kind of KINDS) {
	describe(`${kind} transform`, () => {
		for (const dtype of TYPES) {
			test(`rounds the exact result of ${dtype} once, for every shape and place`, async () => {
				for (const place of PLACES) {
					for (const [index, layout] of LAYOUTS.entries()) {
						await check(dtype, place, layout, index % 2 === 0, index % 3 === 0);
						await check(dtype, place, layout, index % 2 === 1, index % 3 === 0);
					}
				}
			});
		}

		async function check(dtype: FloatType, place: Place, layout: Layout, perActivation: boolean, centered: boolean) {
			const kernel = await kernelOf(kind);
			kernel.reserve(16 * (sizeOf(layout) + 20));
			const values = parametersFor(layout, perActivation, centered);
			const x = put(kernel, place, activations(4, sizeOf(layout), dtype), dtype);
			const out = put(kernel, place, fromNumbers(Array(sizeOf(layout)).fill(-1), dtype), dtype);
			kernel.apply({ x, dtype, layout, out, ...values });
			assert.deepEqual(out.slice(), expected(toNumbers(x, dtype), layout, values, dtype));
		}

		test('widens half types to float32 on request, and works in place', async () => {
			const kernel = await kernelOf(kind);
			const layout = layoutOf(2, 3, 50);
			const values = parametersFor(layout, false, true);
			for (const dtype of ['float16', 'bfloat16'] as const) {
				const x = activations(5, 300, dtype);
				const out = new Float32Array(300);
				kernel.apply({ x, dtype, layout, out, ...values });
				assert.deepEqual(out, expected(toNumbers(x, dtype), layout, values, 'float32'));
			}
			const x = activations(6, 300, 'float32');
			const wanted = expected(toNumbers(x, 'float32'), layout, values, 'float32');
			kernel.apply({ x, dtype: 'float32', layout, out: x, ...values });
			assert.deepEqual(x, wanted);
		});

		test('refuses arrays and layouts that do not belong together', async () => {
			const kernel = await kernelOf(kind);
			const request = {
				dtype: 'float32' as const,
				layout: layoutOf(2, 3, 4),
				scale: new Float64Array(3),
				shift: new Float64Array(3),
			};
			const apply =
				(x: Float32Array | Float64Array, changes = {}) =>
				() =>
					kernel.apply({ ...request, x, out: new Float32Array(24), ...changes });
			assert.throws(apply(new Float32Array(23)), {
				name: 'RangeError',
				message: 'x has 23 elements, but 2 x 3 x 4 values make 24.',
			});
			assert.throws(apply(new Float64Array(24)), {
				name: 'TypeError',
				message: /x is a Float64Array, but float32 elements need a Float32Array/,
			});
			assert.throws(apply(new Float32Array(24), { scale: new Float64Array(2) }), {
				name: 'RangeError',
				message: /scale has 2 values, but this layout needs 3/,
			});
			assert.throws(apply(new Float32Array(24), { perActivation: true }), { name: 'RangeError', message: /needs 12/ });
			assert.throws(apply(new Float32Array(0), { layout: layoutOf(-1, 3, 4) }), {
				name: 'RangeError',
				message: /-1 x 3 x 4/,
			});
		});
	});
}
