import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wrongAxes, wrongGroupOrders } from '../../../../../../src/core/folding/diagnosis/observed/arrangement.js';
import {
	permutedChannels,
	permutedParameters,
} from '../../../../../../src/core/folding/diagnosis/observed/permutation.js';
import { rowRatios } from '../../../../../../src/core/folding/diagnosis/observed/ratios.js';
import { alongAxis, alongGroupedAxis, channelCount } from '../../../../../../src/core/folding/operators/layout.js';
import { seededRandom } from '../../../../../../src/engine/child/tensors/random.js';
import { channelOfElements } from '../../../../support/channels.js';

const random = seededRandom(9);
const layout = alongAxis([8, 9], 0);
const original = Float32Array.from({ length: 72 }, () => random.normal());

/** Row c of the result is row order[c] of the original, times a factor. */
function reordered(order: readonly number[], factor: (row: number) => number): Float32Array {
	return Float32Array.from({ length: 72 }, (_, index) => {
		const row = Math.floor(index / 9);
		return original[order[row] * 9 + (index % 9)] * factor(row);
	});
}

function search(deployed: Float32Array) {
	const options = { deployed, original, layout, relative: 1e-6, absolute: new Float64Array(8) };
	return permutedChannels(options, rowRatios(options)).map(({ source }) => Array.from(source ?? []));
}

test('finds the original of each row under any factor and sign', () => {
	const order = [3, 1, 0, 2, 4, 7, 5, 6];
	const [first, ...others] = search(reordered(order, (row) => (row % 2 ? -1 : 0.3) * (row + 1)));
	assert.deepEqual(first, order);
	assert.ok(others.every((other) => other.join() === order.join()));
});

test('two swapped rows among many are enough', () => {
	assert.deepEqual(search(reordered([0, 1, 5, 3, 4, 2, 6, 7], () => 2))[0], [0, 1, 5, 3, 4, 2, 6, 7]);
});

test('copied rows are no permutation, and neither are unrelated rows', () => {
	assert.deepEqual(search(reordered([0, 1, 1, 1, 4, 5, 6, 7], () => 1)), []);
	const strange = reordered([0, 1, 2, 3, 4, 5, 6, 7], () => 1);
	strange.fill(0.5, 0, 18);
	assert.deepEqual(search(strange), []);
});

test('parameters are deployed by their scales, and where two are equal by their biases', () => {
	const scale = Float64Array.of(1, 2, 2, 3, 4);
	const order = [4, 2, 0, 1, 3];
	const low = Float64Array.from(order, (channel) => scale[channel] * (1 - 1e-7));
	const high = Float64Array.from(order, (channel) => scale[channel] * (1 + 1e-7));
	const match = {
		ratios: { low, high, state: new Uint8Array(5), relative: 1e-7 },
		scale,
		biasError: (row: number, channel: number) => Math.abs(order[row] - channel),
	};
	assert.deepEqual(Array.from(permutedParameters(match) ?? []), order);
	const unknown = { ...match, scale: Float64Array.of(1, 2, 2.5, 3, 5) };
	assert.equal(permutedParameters(unknown), undefined);
});

test('tries every axis as long as the channels, and no layout twice', () => {
	const layouts = wrongAxes([4, 4, 4, 3], alongAxis([4, 4, 4, 3], 0)).map(({ layout: other }) => other);
	assert.ok(layouts.every((other) => channelCount(other) === 4));
	const maps = layouts.map((other) => Array.from(channelOfElements(other)).join());
	assert.equal(new Set(maps).size, maps.length);
	assert.ok(maps.includes(Array.from(channelOfElements(alongAxis([4, 4, 4, 3], 1))).join()));
	assert.ok(maps.includes(Array.from(channelOfElements(alongAxis([4, 4, 4, 3], 2))).join()));
	assert.ok(!maps.includes(Array.from(channelOfElements(alongAxis([4, 4, 4, 3], 0))).join()));
});

test('groups suggest a repetition of the first channels, or a count across groups', () => {
	const grouped = alongGroupedAxis([6, 2, 3, 3], 3);
	const orders = wrongGroupOrders(grouped, [3]).map(({ scaleOf }) => Array.from(scaleOf ?? []).join());
	assert.ok(orders.includes('0,1,0,1,0,1'));
	assert.ok(orders.includes('0,2,4,1,3,5'));
	assert.ok(orders.includes('0,3,1,4,2,5'));
	assert.deepEqual(wrongGroupOrders(grouped, [1, 6, 4]), []);
});
