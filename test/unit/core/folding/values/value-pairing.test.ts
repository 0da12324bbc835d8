import assert from 'node:assert/strict';
import { test } from 'node:test';
import { roundingTolerance } from '../../../../../src/core/folding/values/rounding-tolerance.js';
import { ValuePairing } from '../../../../../src/core/folding/values/value-pairing.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';

const U = 2 ** -24;
const DIMS = [2, 6, 5, 4];
const LENGTH = 240;

function randomValues(seed: number, length = LENGTH): Float32Array {
	const { normal } = seededRandom(seed);
	return Float32Array.from({ length }, normal);
}

/** Values after rounding errors of a few units. */
function rounded(values: Float32Array, units = 2, seed = 99): Float32Array {
	const { uniform } = seededRandom(seed);
	return values.map((value) => value * (1 + units * U * (2 * uniform() - 1)));
}

function pairingOf(originals: Readonly<Record<string, Float32Array>>, room = Number.POSITIVE_INFINITY): ValuePairing {
	const pairing = new ValuePairing({ toleranceOf: roundingTolerance(U), room });
	for (const [name, values] of Object.entries(originals)) {
		pairing.addOriginal(name, { dims: DIMS, values });
		pairing.addProbe(name, { dims: DIMS, values: rounded(values) });
	}
	return pairing;
}

/** Moves the channels of `DIMS` in each image. */
function mapChannels(values: Float32Array, source: (channel: number) => number): Float32Array {
	const [, channels, rows, columns] = DIMS;
	const space = rows * columns;
	return values.map((_, i) => {
		const [image, channel, at] = [Math.floor(i / (channels * space)), Math.floor(i / space) % channels, i % space];
		return values[(image * channels + source(channel)) * space + at];
	});
}

function channelsLast(values: Float32Array): Float32Array {
	const [images, channels, rows, columns] = DIMS;
	const space = rows * columns;
	const moved = new Float32Array(values.length);
	for (let image = 0; image < images; image++) {
		for (let channel = 0; channel < channels; channel++) {
			for (let at = 0; at < space; at++) {
				moved[(image * space + at) * channels + channel] = values[(image * channels + channel) * space + at];
			}
		}
	}
	return moved;
}

for (const [form, dims, move, order] of [
	['the same layout', DIMS, (values: Float32Array) => values, 'same'],
	['other dimensions', [240], (values: Float32Array) => values, 'same'],
	['channels last', [2, 5, 4, 6], channelsLast, 'transposed'],
	['channels in another order', DIMS, (values: Float32Array) => mapChannels(values, (c) => (c + 2) % 6), 'sorted'],
	[
		'channels padded with zeros',
		[2, 8, 5, 4],
		(values: Float32Array) => Float32Array.from({ length: 320 }, (_, i) => (i < LENGTH ? values[i] : 0)),
		'sorted',
	],
] as const) {
	test(`finds a tensor in ${form} among other tensors`, () => {
		const wanted = randomValues(1);
		const pairing = pairingOf({ before: randomValues(2), wanted, behind: randomValues(3) });
		pairing.addDeployed('other', { dims: DIMS, values: randomValues(4) });
		pairing.addDeployed('found', { dims, values: move(rounded(wanted)) });
		const match = pairing.matches.get('wanted');
		assert.deepEqual([match?.deployed, match?.difference.order], ['found', order]);
		assert.equal(pairing.matches.size, 1);
	});
}

test('a difference beyond rounding is no match, and the similar tensor is named', () => {
	const values = randomValues(1);
	const pairing = pairingOf({ wanted: values });
	pairing.addDeployed('near', { dims: DIMS, values: values.map((value, i) => (i === 7 ? value + 1e-5 : value)) });
	assert.equal(pairing.matches.size, 0);
	assert.equal(pairing.nearest('wanted')?.deployed, 'near');
});

test('the tolerance follows the measured effect of rounding', () => {
	const values = randomValues(1);
	const deployed = { dims: DIMS, values: rounded(values, 500) };
	const calm = pairingOf({ wanted: values });
	calm.addDeployed('found', deployed);
	assert.equal(calm.matches.size, 0);
	const sensitive = pairingOf({ wanted: values });
	sensitive.addProbe('wanted', { dims: DIMS, values: rounded(values, 500, 5) });
	sensitive.addDeployed('found', deployed);
	assert.equal(sensitive.matches.size, 1);
});

test('constant, small and non-finite tensors get no partner', () => {
	const pairing = pairingOf({
		constant: new Float32Array(LENGTH).fill(3),
		small: randomValues(1, 7),
		infinite: randomValues(2).fill(Number.POSITIVE_INFINITY, 0, 1),
	});
	assert.deepEqual([...pairing.compared], []);
	pairing.addDeployed('a', { dims: [7], values: randomValues(1, 7) });
	assert.equal(pairing.matches.size, 0);
});

test('without room for copies, sums decide', () => {
	const values = randomValues(1);
	const pairing = pairingOf({ wanted: values, other: randomValues(2) }, 0);
	pairing.addDeployed('found', { dims: DIMS, values: rounded(values) });
	pairing.addDeployed('wrong', { dims: DIMS, values: values.map((value) => value * 1.001) });
	assert.deepEqual(
		[...pairing.matches].map(([name, { deployed }]) => [name, deployed]),
		[['wanted', 'found']],
	);
});
