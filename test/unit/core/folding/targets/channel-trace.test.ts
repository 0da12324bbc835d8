import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
	type Axis,
	channelsOfAxis,
	flattenAxes,
	outputAxes,
	reshapeAxes,
	squeezeAxes,
	transposeAxes,
	unsqueezeAxes,
} from '../../../../../src/core/folding/targets/channel-trace.js';

/** The feature of every element of a (N, F, …) tensor, in memory order. */
interface Labelled {
	readonly dims: readonly number[];
	readonly features: readonly number[];
}

function labelled(dims: readonly number[], axis: number): Labelled {
	const inner = dims.slice(axis + 1).reduce((a, b) => a * b, 1);
	const total = dims.reduce((a, b) => a * b, 1);
	return { dims, features: Array.from({ length: total }, (_, index) => Math.floor(index / inner) % dims[axis]) };
}

function transposed({ dims, features }: Labelled, perm: readonly number[]): Labelled {
	const result = perm.map((axis) => dims[axis]);
	const strides = dims.map((_, axis) => dims.slice(axis + 1).reduce((a, b) => a * b, 1));
	const moved = Array.from({ length: features.length }, (_, position) => {
		let from = 0;
		let rest = position;
		for (let axis = result.length - 1; axis >= 0; axis--) {
			from += (rest % result[axis]) * strides[perm[axis]];
			rest = Math.floor(rest / result[axis]);
		}
		return features[from];
	});
	return { dims: result, features: moved };
}

/** By brute force: which channel of axis 1 each feature lands in; undefined when one lands in several. */
function landing({ dims, features }: Labelled, count: number): number[] | undefined {
	const inner = dims.slice(2).reduce((a, b) => a * b, 1);
	const result = new Array<number>(count).fill(-1);
	for (const [position, feature] of features.entries()) {
		const channel = Math.floor(position / inner) % dims[1];
		if (result[feature] >= 0 && result[feature] !== channel) {
			return undefined;
		}
		result[feature] = channel;
	}
	return result;
}

function traced(axes: readonly Axis[] | undefined, count: number): number[] | undefined {
	const rows = axes?.[1] && channelsOfAxis(axes[1], count);
	return rows && Array.from(rows);
}

test('reshapes and transposes lead channels where the elements go, for every small shape', () => {
	let followed = 0;
	const targets = [
		[2, 12, 1],
		[2, 6, 2],
		[2, 2, 6],
		[2, 3, 4],
		[2, 4, 3],
		[4, 6],
		[2, 12],
		[24, 1],
		[2, 2, 3, 2],
		[6, 4],
	];
	for (const dims of [
		[2, 12],
		[2, 6, 2],
		[2, 3, 4],
		[4, 3, 2],
	]) {
		const axis = 1;
		const start = labelled(dims, axis);
		const axes = outputAxes(dims, axis, dims[axis]);
		for (const target of targets) {
			const reshaped = { dims: target, features: start.features };
			const moved = reshapeAxes(axes, target);
			const perms =
				target.length === 3
					? [
							[0, 1, 2],
							[0, 2, 1],
							[1, 0, 2],
							[2, 1, 0],
						]
					: [target.map((_, index) => index)];
			for (const perm of perms) {
				const end = transposed(reshaped, perm);
				const expected = landing(end, dims[axis]);
				const found = moved && traced(transposeAxes(moved, perm), dims[axis]);
				// Not every reshape can be followed; what is followed is followed rightly, and never past a mixture.
				if (found) {
					assert.deepEqual(found, expected, `${dims} to ${target} by ${perm}`);
					followed++;
				}
			}
		}
	}
	assert.ok(followed >= 30, `${followed} followed`);
});

test('an unknown batch or image size does not stop a reshape that keeps it', () => {
	const axes = outputAxes([undefined, 6, undefined, undefined], 1, 6);
	assert.deepEqual(traced(reshapeAxes(axes, [0, 6, -1]), 6), [0, 1, 2, 3, 4, 5]);
	assert.deepEqual(traced(reshapeAxes(axes, [0, 3, -1]), 6), [0, 0, 1, 1, 2, 2]);
	assert.deepEqual(traced(reshapeAxes(axes, [0, -1]), 6), undefined, 'channels mixed with places');
	assert.deepEqual(traced(reshapeAxes(axes, [0, 3, 2, -1]), 6), [0, 0, 1, 1, 2, 2]);
	assert.deepEqual(traced(reshapeAxes(axes, [-1, 6, 16]), 6), undefined, 'two unknown sizes side by side');
	const rows = outputAxes([undefined, 6], 1, 6);
	assert.deepEqual(traced(reshapeAxes(rows, [-1, 6]), 6), [0, 1, 2, 3, 4, 5]);
	assert.deepEqual(traced(reshapeAxes(rows, [0, 3, 2]), 6), [0, 0, 1, 1, 2, 2]);
	assert.deepEqual(traced(reshapeAxes(outputAxes(['N', 6, 4], 1, 6), [0, 0, 2, 2]), 6), [0, 1, 2, 3, 4, 5]);
	assert.deepEqual(
		traced(reshapeAxes(outputAxes(['N', 6, 4], 1, 6), [0, -1]), 6),
		undefined,
		'channels mixed with places',
	);
});

test('batch and positions may be cut from one unknown size', () => {
	const rows = outputAxes([undefined, 12], 1, 12);
	const turned = (target: readonly number[]) => {
		const axes = reshapeAxes(rows, target);
		return axes && traced(transposeAxes(axes, [0, 2, 1]), 12);
	};
	const inOrder = Array.from({ length: 12 }, (_, channel) => channel);
	assert.deepEqual(turned([2, 5, 12]), inOrder);
	assert.deepEqual(turned([2, -1, 12]), inOrder);
	assert.equal(turned([2, 5, 24]), undefined, 'channels mixed with places');
	assert.equal(traced(reshapeAxes(rows, [2, 5, 12]), 12), undefined, 'the positions are its channels');
	assert.equal(reshapeAxes(outputAxes([9, 12], 1, 12), [2, 5, 12]), undefined, 'not so many rows');
});

test('a reshape that does not come out even is not followed', () => {
	assert.equal(reshapeAxes(outputAxes([2, 6], 1, 6), [2, 5]), undefined);
	assert.equal(reshapeAxes(outputAxes([2, 6], 1, 6), [3, 4]), undefined);
	assert.equal(transposeAxes(outputAxes([2, 6], 1, 6), [0, 1, 2]), undefined);
});

test('squeezing, unsqueezing and flattening keep the channels', () => {
	const axes = outputAxes(['N', 5, 1, 1], 1, 5);
	assert.deepEqual(traced(squeezeAxes(axes, [2, -1]), 5), [0, 1, 2, 3, 4]);
	assert.equal(squeezeAxes(axes, [1]), undefined);
	assert.deepEqual(traced(unsqueezeAxes(outputAxes(['N', 5], 1, 5), [2, 3]), 5), [0, 1, 2, 3, 4]);
	assert.deepEqual(traced(unsqueezeAxes(outputAxes([5], 0, 5), [0]), 5), [0, 1, 2, 3, 4]);
	assert.deepEqual(traced(flattenAxes(axes, 1), 5), [0, 1, 2, 3, 4]);
	assert.equal(traced(flattenAxes(outputAxes(['N', 5, 2], 1, 5), 1), 5), undefined);
});
