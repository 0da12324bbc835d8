import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alongAxis } from '../../../../../src/core/folding/operators/layout.js';
import { closePairs } from '../../../../../src/core/folding/pairing/close-pairs.js';
import { type Directions, directionsOf, fitOf } from '../../../../../src/core/folding/pairing/row-directions.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';

const DIMS = [6, 4, 3, 3];
const LAYOUT = alongAxis(DIMS, 0);
const LENGTH = 6 * 36;
const random = seededRandom(5);
const drawn = Array.from({ length: 60 }, () => Array.from({ length: LENGTH }, random.normal));

/** In another order, every row scaled, and changed as one says. */
function deployed(change: (value: number, index: number) => number): Directions[] {
	const scales = Array.from({ length: 6 }, () => random.normal() + 2);
	return drawn.toReversed().map((weight) =>
		directionsOf(
			weight.map((value, index) => change(value, index) * scales[Math.floor(index / 36)]),
			LAYOUT,
		),
	);
}

const own = drawn.map((weight) => directionsOf(weight, LAYOUT));

/** "a b" of all pairs that fit so well, by trying them all. */
const all = (others: readonly Directions[], least: number): string[] =>
	own.flatMap((a, i) => others.flatMap((b, j) => ((fitOf(a, b) ?? 0) >= least ? [`${i} ${j}`] : [])));

const close = (others: readonly (Directions | undefined)[], least: number): string[] =>
	closePairs(own, others, least).map(({ originalRank, deployedRank }) => `${originalRank} ${deployedRank}`);

const CHANGES: readonly (readonly [string, number, (value: number, index: number) => number])[] = [
	['scaled only', 1 - 1e-6, (value) => value],
	['rounded to float16', 1 - 1e-6, (value) => value * (1 + random.uniform() * 2 ** -11)],
	['rounded to 8 bits', 0.99, (value) => Math.round(value * 40) / 40],
	['trained a little more', 0.99, (value) => value + 0.05 * random.normal()],
	['one row edited', 1 - 1e-6, (value, index) => (index < 36 ? random.normal() : value)],
];

test('finds the pairs that trying all of them finds', () => {
	for (const [name, least, change] of CHANGES) {
		const others = deployed(change);
		const expected = all(others, least);
		assert.ok(expected.length >= 55, name);
		assert.deepEqual(close(others, least).sort(), expected.sort(), name);
	}
});

test('repeated weights are all pairs of each other; a row without direction has no pair', () => {
	const again = Array.from({ length: 3 }, () => own[0]);
	assert.deepEqual(close(again, 1 - 1e-6), ['0 0', '0 1', '0 2']);
	const zero = directionsOf(new Float64Array(LENGTH), LAYOUT);
	const infinite = directionsOf(new Float64Array(LENGTH).fill(Number.POSITIVE_INFINITY), LAYOUT);
	assert.deepEqual(close([zero, undefined, infinite], 0.99), []);
	assert.deepEqual(closePairs([], [zero], 0.99), []);
});

test('hundreds of equal weights give pairs near the same place, not all pairs', () => {
	const equal = Array.from({ length: 400 }, () => directionsOf(drawn[0].slice(0, 16), alongAxis([2, 8], 0)));
	const pairs = closePairs(equal, equal, 1 - 1e-6);
	assert.ok(pairs.length < 400 * 66, `${pairs.length} pairs`);
	for (let rank = 0; rank < 400; rank++) {
		assert.ok(pairs.some(({ originalRank, deployedRank }) => originalRank === rank && deployedRank === rank));
	}
});
