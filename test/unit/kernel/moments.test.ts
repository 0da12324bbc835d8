import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FloatType } from '../../../src/core/numbers/float-formats.js';
import { type Moments, mergeMoments } from '../../../src/core/numbers/moments.js';
import type { Layout, StatisticsAxes } from '../../../src/kernel/index.js';
import { METHODS, methodSize } from '../../../src/kernel/methods/methods.js';
import { activations, KINDS, kernelOf, PLACES, put, TYPES } from '../support/kernel-cases.js';
import { layoutOf, momentsReference, sizeOf, statisticOf, toNumbers } from '../support/kernel-reference.js';

const LAYOUTS: readonly Layout[] = [
	...[0, 1, 3, 4, 5, 7, 8, 9, 1023].map((planeSize) => layoutOf(3, 2, planeSize)),
	...[0, 1, 5, 300].map((batch) => layoutOf(batch, 530, 1)),
	...[0, 1, 3, 4, 5, 7, 8, 9, 1023].map((channels) => layoutOf(6, channels, 1)),
	layoutOf(9, 21, 49),
	layoutOf(1, 1, 17_000),
	layoutOf(200, 3, 5),
];

/** The values behind each statistic. */
function groups(values: readonly number[], layout: Layout, axes: StatisticsAxes): number[][] {
	const parts = Array.from({ length: methodSize(layout, axes).statistics }, (): number[] => []);
	values.forEach((value, index) => {
		parts[statisticOf(layout, axes, index)].push(value);
	});
	return parts;
}

function assertMoments(actual: Moments, values: readonly number[][], bits = 28): void {
	assert.equal(actual.count.length, values.length);
	for (const [k, group] of values.entries()) {
		const finite = group.filter(Number.isFinite);
		const { count, mean, m2 } = momentsReference(finite);
		assert.equal(actual.count[k], count);
		assert.equal(actual.nonFinite[k], group.length - count);
		const spread = Math.abs(mean) + Math.sqrt(m2 / (count || 1));
		assert.ok(Math.abs(actual.mean[k] - mean) <= 2 ** -40 * spread, `mean ${actual.mean[k]}, expected ${mean}`);
		assert.ok(Math.abs(actual.m2[k] - m2) <= 2 ** -bits * m2, `m2 ${actual.m2[k]}, expected ${m2}`);
	}
}

for (const kind of KINDS) {
	describe(`${kind} moments`, () => {
		for (const axes of METHODS) {
			test(`per ${axes}: agree with two sums in order of size`, async () => {
				for (const place of PLACES) {
					for (const layout of LAYOUTS) {
						await check(axes, layout, 'float32', place);
					}
				}
				for (const dtype of TYPES) {
					await check(axes, layoutOf(5, 6, 70), dtype, 'unaligned');
				}
			});
		}

		async function check(axes: StatisticsAxes, layout: Layout, dtype: FloatType, place: (typeof PLACES)[number]) {
			const kernel = await kernelOf(kind);
			const x = put(kernel, place, activations(sizeOf(layout), sizeOf(layout), dtype, -0.7, 2), dtype);
			assertMoments(kernel.moments(x, dtype, layout, axes), groups(toNumbers(x, dtype), layout, axes));
		}

		test('no digits cancel for a mean of 1e4 and a deviation of 1e-2, nor in a constant channel', async () => {
			const kernel = await kernelOf(kind);
			for (const layout of [layoutOf(4, 3, 3000), layoutOf(64, 300, 1)]) {
				const x = activations(2, sizeOf(layout), 'float32', 1e4, 1e-2);
				for (const axes of METHODS) {
					const moments = kernel.moments(x, 'float32', layout, axes);
					assertMoments(moments, groups([...x], layout, axes), axes === 'channel' ? 28 : 26);
				}
				const constant = x.map((_, index) => 0.1 + (Math.floor(index / layout.planeSize) % layout.channels));
				const { m2, mean } = kernel.moments(constant, 'float32', layout);
				assert.ok(m2.every((value) => value === 0));
				assert.ok(mean.every((value, c) => value === Math.fround(0.1 + c)));
			}
		});

		test('values that are not finite are left out and counted', async () => {
			const kernel = await kernelOf(kind);
			for (const layout of [layoutOf(2, 4, 70), layoutOf(9, 7, 1), layoutOf(2, 3, 700)]) {
				const x = activations(3, sizeOf(layout), 'float32');
				x[0] = Number.NaN;
				x[sizeOf(layout) - 1] = Number.NEGATIVE_INFINITY;
				x[sizeOf(layout) >> 1] = Number.POSITIVE_INFINITY;
				for (const axes of METHODS) {
					assertMoments(kernel.moments(x, 'float32', layout, axes), groups([...x], layout, axes));
				}
			}
		});

		test('the three methods have the sizes that the question is about', async () => {
			const kernel = await kernelOf(kind);
			const layout = layoutOf(2, 3, 20);
			const x = activations(1, 120, 'float32');
			assert.deepEqual(methodSize(layout, 'location'), { statistics: 20, count: 6 });
			assert.deepEqual(methodSize(layout, 'activation'), { statistics: 60, count: 2 });
			assert.deepEqual(methodSize(layout, 'channel'), { statistics: 3, count: 40 });
			for (const axes of METHODS) {
				const { statistics, count } = methodSize(layout, axes);
				assert.deepEqual([...kernel.moments(x, 'float32', layout, axes).count], Array(statistics).fill(count));
			}
		});
	});
}

test('moments of parts merge to the moments of the whole', async () => {
	const kernel = await kernelOf('simd');
	const x = activations(9, 4 * 3 * 500, 'float32', 1e4, 1e-2);
	const parts = [x.subarray(0, 1500), x.subarray(1500, 1500), x.subarray(1500, 3000), x.subarray(3000)].map((part) =>
		kernel.moments(part, 'float32', layoutOf(part.length / 1500, 3, 500)),
	);
	assertMoments(mergeMoments(parts), groups([...x], layoutOf(4, 3, 500), 'channel'), 28);
});
