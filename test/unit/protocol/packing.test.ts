import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Packed, pack, unpack } from '../../../src/protocol/packing.js';

/** What VS Code does to a message: JSON, with typed arrays carried beside it. */
function transmit({ body, numbers }: Packed): Packed {
	return { body: JSON.parse(JSON.stringify(body)), numbers: numbers.slice() };
}

test('non-finite numbers survive a channel that speaks JSON', () => {
	const message = {
		bound: Number.POSITIVE_INFINITY,
		list: [Number.NaN, -1, Number.NEGATIVE_INFINITY],
		name: 'NaN',
		none: null,
	};
	assert.deepEqual(unpack(transmit(pack(message))), message);
});

test('any number of arrays travels in one, because the channel loses arrays beyond about 250', () => {
	const layers = Array.from({ length: 1000 }, (_, i) => ({
		name: `layer ${i}`,
		gamma: Float64Array.of(i, Number.NaN),
		none: new Float64Array(0),
	}));
	const packed = pack({ layers });
	assert.equal(JSON.stringify(packed.body).includes('"0":'), false, 'no array is left in the body');
	assert.deepEqual(unpack(transmit(packed)), { layers });
});

test('bytes pass through untouched', () => {
	const png = Uint8Array.of(1, 2);
	assert.equal(unpack<{ png: Uint8Array }>(pack({ png })).png, png);
});
