import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readWithTail } from '../../../../../src/engine/child/model/model-bytes.js';

const SIZE = 10 * 2 ** 20;

/** Reads of byte values; those behind the first fail at once, and the first when all others are done. */
function source(failsFrom = Number.POSITIVE_INFINITY) {
	const ended: number[] = [];
	const readInto = async (target: Uint8Array, offset: number) => {
		await sleep(offset === 0 ? 20 : 0);
		ended.push(offset);
		if (offset + target.length > failsFrom) {
			throw new Error(`ends at byte ${Math.max(offset, failsFrom)}`);
		}
		target.fill(1 + offset / 2 ** 22);
	};
	const read = () => assert.fail('one piece at a time');
	return { ended, name: 'model.onnx', size: SIZE, read, readInto };
}

test('the bytes come in one piece, in their own memory or where the caller wants them', async () => {
	const tail = Uint8Array.of(7, 8, 9);
	const wanted = new Uint8Array(SIZE + 3);
	for (const bytes of [await readWithTail(source(), tail), await readWithTail(source(), tail, wanted)]) {
		assert.equal(bytes.length, SIZE + 3);
		assert.deepEqual([bytes[0], bytes[2 ** 22], bytes[SIZE - 1], ...bytes.subarray(SIZE)], [1, 2, 3, 7, 8, 9]);
	}
	assert.equal(wanted[0], 1);
});

test('the end of a shortened file is reported after every read has ended', async () => {
	const cut = source(100);
	await assert.rejects(readWithTail(cut), /ends at byte 100$/);
	assert.equal(cut.ended.length, 3);
});
