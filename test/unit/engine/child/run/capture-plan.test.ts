import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Capture, capturingBytes, planGroups } from '../../../../../src/engine/child/run/capture-plan.js';

/** Layers in a row, each of which shares a tensor with the next now and then. */
const layers = fc
	.array(fc.record({ tensors: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 4 }) }), {
		maxLength: 30,
	})
	.map((list) =>
		list.map(
			({ tensors }, index): Capture<number> => ({
				consumer: index,
				tensors: [...new Set(tensors.map((offset) => `t${index * 2 + offset}`))],
			}),
		),
	);
const sizes = fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 70, maxLength: 70 });

test('every layer is in one group, in order, and no group of several layers is larger than the budget', () => {
	fc.assert(
		fc.property(layers, sizes, fc.integer({ min: 0, max: 2000 }), (list, numbers, budget) => {
			const bytes = new Map(numbers.map((size, index) => [`t${index}`, size]));
			const groups = planGroups(list, bytes, budget);
			assert.deepEqual(groups.flat(), list);
			const all = list.flatMap(({ tensors }) => tensors.map((name) => bytes.get(name) ?? 0));
			const largest = Math.max(0, ...all);
			const need = (group: readonly Capture<number>[]) =>
				capturingBytes(
					[...new Set(group.flatMap(({ tensors }) => tensors))].reduce((sum, name) => sum + (bytes.get(name) ?? 0), 0),
				) +
				2 * largest;
			groups.forEach((group, index) => {
				assert.ok(group.length === 1 || need(group) <= budget);
				// Greedy: the next layer would not have fitted in as well.
				const next = groups[index + 1]?.[0];
				assert.ok(next === undefined || need([...group, next]) > budget);
			});
		}),
	);
});
