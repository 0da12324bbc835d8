import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearPlaces } from '../../../../../src/core/folding/pairing/near-places.js';

test('every partner is tried in lists of five hundred', () => {
	assert.deepEqual(nearPlaces(500, 500)(499), { first: 0, end: 500 });
	assert.deepEqual(nearPlaces(0, 5)(0), { first: 0, end: 5 });
});

test('long lists are searched near the same place, a bounded number of pairs in all', () => {
	for (const [length, others] of [
		[10_000, 10_000],
		[3000, 700],
		[400_000, 3],
	]) {
		const placesNear = nearPlaces(length, others);
		let pairs = 0;
		for (let index = 0; index < length; index++) {
			const { first, end } = placesNear(index);
			const place = Math.floor((index * others) / length);
			assert.ok(first <= place && place < end, `${index} of ${length}`);
			pairs += end - first;
		}
		assert.ok(pairs <= Math.max(1 << 18, 2 * length), `${pairs} pairs of ${length} and ${others}`);
	}
});
