import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import { compareBytes } from '../../../support/compare-bytes.js';
import {
	columnsOf,
	Graph,
	layerOf,
	modelBytes,
	pick,
	rowsOf,
	scaleRows,
	WIDTH,
	weightOf,
} from '../../../support/deployed-forms.js';

const ORDER = [3, 0, 5, 1, 4, 2];

interface Network {
	/** True to move the columns of the reader as well. */
	readonly isFollowed: boolean;
	/** True for a reader behind the global average, so that no tensor behind identifies its values. */
	readonly isPooledFirst: boolean;
}

/** Returns networks with a single output value per image, and a layer whose channels moved in the deployed model. */
function pairWith({ isFollowed, isPooledFirst }: Network): readonly [Uint8Array, Uint8Array] {
	const random = seededRandom(5);
	const [from, to] = [new Graph('a'), new Graph('b')];
	const [weight, layer] = [weightOf(random, WIDTH, 4, 3), layerOf(random, WIDTH)];
	const reader = weightOf(random, 1, WIDTH, isPooledFirst ? 1 : 3);
	const folded = scaleRows(weight, layer.scale);
	const ends = [
		[from, from.batchNorm(from.conv('x', weight), layer), reader],
		[to, to.conv('x', rowsOf(folded, ORDER), pick(layer.shift, ORDER)), isFollowed ? columnsOf(reader, ORDER) : reader],
	] as const;
	const [a, b] = ends.map(([graph, output, kernel]) => {
		const active = graph.relu(output);
		const y = isPooledFirst
			? graph.conv(graph.node('GlobalAveragePool', [active]), kernel)
			: graph.node('GlobalAveragePool', [graph.conv(active, kernel)]);
		return modelBytes(graph.finish(graph.node('Sigmoid', [y])));
	});
	return [a, b];
}

for (const isPooledFirst of [false, true]) {
	const reader = isPooledFirst ? 'behind a global average' : 'in front of a global average';
	test(`channels in an order that the reader ${reader} does not expect are named where outputs have few values`, async () => {
		const [original, deployed] = pairWith({ isFollowed: false, isPooledFirst });
		const { layers, outputs, firstDifference } = await compareBytes(original, deployed);
		const [layer] = layers;
		assert.equal(layer?.status, 'mismatch');
		assert.equal(layer?.cause, 'channels-permuted');
		// Too few values behind the global average show which order is expected.
		assert.equal((layer?.confidence ?? 0) > 0.9, !isPooledFirst, layer?.evidence);
		assert.equal(outputs?.status, 'mismatch');
		assert.notEqual(firstDifference, null);
	});

	test(`channels in another order are right if the reader ${reader} follows`, async () => {
		const [original, deployed] = pairWith({ isFollowed: true, isPooledFirst });
		const { layers, outputs, firstDifference } = await compareBytes(original, deployed);
		assert.deepEqual([layers[0]?.status, outputs?.status, firstDifference], ['match', 'match', null]);
	});
}
