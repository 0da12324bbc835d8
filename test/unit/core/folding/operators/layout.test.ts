import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
	alongAxis,
	alongGroupedAxis,
	type ChannelLayout,
	channelCount,
	elementCount,
	forEachRun,
	relayout,
	rowLength,
} from '../../../../../src/core/folding/operators/layout.js';
import { channelOfElements } from '../../../support/channels.js';

const small = fc.integer({ min: 1, max: 5 });
const layouts = fc.record({ groups: small, outer: small, perGroup: small, inner: small });

test('every element belongs to one channel and has one place in its row', () => {
	fc.assert(
		fc.property(layouts, (layout) => {
			const seen = new Set<string>();
			const places = new Set<string>();
			forEachRun(layout, (channel, start, position) => {
				for (let k = 0; k < layout.inner; k++) {
					seen.add(String(start + k));
					places.add(`${channel} ${position + k}`);
				}
			});
			assert.equal(seen.size, elementCount(layout));
			assert.equal(places.size, channelCount(layout) * rowLength(layout));
		}),
	);
});

/** The channel of an element by the operator's definition: from its index along each axis. */
function channelsByIndex(dims: readonly number[], channelOf: (index: readonly number[]) => number): number[] {
	const total = dims.reduce((a, b) => a * b, 1);
	return Array.from({ length: total }, (_, position) => {
		const index: number[] = [];
		let rest = position;
		for (const dim of dims.toReversed()) {
			index.unshift(rest % dim);
			rest = Math.floor(rest / dim);
		}
		return channelOf(index);
	});
}

test('an axis gives a channel for each of its indices', () => {
	for (const [dims, axis] of [
		[[4, 3, 2, 2], 0],
		[[4, 3, 2, 2], 1],
		[[3, 5], 1],
		[[2, 3, 4], 2],
	] as const) {
		assert.deepEqual(
			Array.from(channelOfElements(alongAxis(dims, axis))),
			channelsByIndex(dims, (index) => index[axis]),
		);
	}
});

test('output channels of a grouped ConvTranspose count within the group of the input channel', () => {
	const [dims, group] = [[6, 2, 3], 3];
	assert.deepEqual(
		Array.from(channelOfElements(alongGroupedAxis(dims, group))),
		channelsByIndex(dims, ([input, output]) => Math.floor(input / (6 / group)) * 2 + output),
	);
});

test('relayout transposes a matrix and comes back', () => {
	const rows: ChannelLayout = alongAxis([3, 4], 0);
	const columns: ChannelLayout = alongAxis([4, 3], 1);
	const data = Float64Array.from({ length: 12 }, (_, index) => index);
	const turned = relayout(data, rows, columns);
	assert.deepEqual(Array.from(turned), [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]);
	assert.deepEqual(relayout(turned, columns, rows), data);
});

test('relayout keeps every element with its channel and position, for any two layouts', () => {
	fc.assert(
		fc.property(layouts, small, (from, cut) => {
			const channels = channelCount(from);
			// The same rows, laid out with the channels innermost and the row cut where it can be.
			const length = rowLength(from);
			const inner = length % cut === 0 ? cut : 1;
			const to = { groups: 1, outer: length / inner, perGroup: channels, inner };
			const label = (layout: ChannelLayout) => {
				const labels = new Float64Array(elementCount(layout));
				forEachRun(layout, (channel, start, position) => {
					for (let k = 0; k < layout.inner; k++) {
						labels[start + k] = channel * 1000 + position + k;
					}
				});
				return labels;
			};
			assert.deepEqual(relayout(label(from), from, to), label(to));
		}),
	);
});
