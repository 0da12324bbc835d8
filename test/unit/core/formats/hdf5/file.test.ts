import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Checkpoint } from '../../../../../src/core/formats/checkpoint.js';
import { openBytes, values } from '../../../support/checkpoints.js';
import { unzippedBytes } from '../../../support/keras-files.js';

/** Elements of all arrays in hdf5.h5 and hdf5.latest.h5, whose shape is [7, 5, 3]. */
const EXPECTED = Array.from({ length: 105 }, (_, index) => index * 0.5 - 20);

async function read({ tensors }: Checkpoint, name: string): Promise<readonly number[]> {
	const tensor = tensors.find((candidate) => candidate.name === `m/${name}`);
	assert.ok(tensor, name);
	return values(tensor);
}

const FILES = [
	['hdf5.h5', ['tree', 'tree_deflated', 'growing']],
	['hdf5.latest.h5', ['fixed', 'fixed_deflated']],
] as const;

for (const [file, chunked] of FILES) {
	test(`${file}: every form of a dataset holds the same numbers`, async () => {
		const checkpoint = await openBytes(unzippedBytes(file));
		for (const name of [...chunked, 'single', 'early', 'compact', 'half', 'double']) {
			assert.deepEqual(await read(checkpoint, name), EXPECTED, name);
		}
		assert.deepEqual(
			await read(checkpoint, 'long'),
			EXPECTED.map((value) => 2 * value),
		);
		assert.deepEqual(
			await read(checkpoint, 'truth'),
			EXPECTED.map((value) => Number(value > 0)),
		);
		assert.deepEqual(await read(checkpoint, 'scalar'), [3.5]);
		assert.deepEqual(await read(checkpoint, 'none'), []);
	});

	test(`${file}: a dataset that cannot be read is named with the reason`, async () => {
		const { unreadable } = await openBytes(unzippedBytes(file));
		const reasons = Object.fromEntries(unreadable.map(({ name, reason }) => [name, reason]));
		assert.equal(reasons['m/big'], 'its numbers are big-endian');
		assert.equal(reasons['m/never'], 'its values were never written');
		assert.equal(reasons['m/text'], 'its elements are texts');
		assert.equal(reasons['m/records'], 'its elements are records');
		assert.equal(reasons['m/soft'], 'it is a link to another place');
		assert.equal(reasons['m/external'], 'it is a link to another place');
		assert.equal(reasons['m/lzf'], 'it is compressed by LZF, which cannot be read here');
	});
}

test('a group with many links keeps them in a heap of its own', async () => {
	const { layers, order } = await openBytes(unzippedBytes('kdense.h5'));
	assert.equal(order, 'execution');
	assert.deepEqual(
		layers.map(({ name }) => name),
		Array.from({ length: 24 }, (_, index) => `b${index}`),
	);
});
