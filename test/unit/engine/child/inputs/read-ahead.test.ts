import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { readAhead } from '../../../../../src/engine/child/inputs/read-ahead.js';

function numbers(count: number, failsAt = Number.POSITIVE_INFINITY) {
	const events: string[] = [];
	async function* read(): AsyncGenerator<number, void> {
		try {
			for (let i = 0; i < count; i++) {
				if (i === failsAt) {
					throw new Error(`item ${i}`);
				}
				events.push(`read ${i}`);
				yield i;
			}
		} finally {
			events.push('closed');
		}
	}
	return { events, items: readAhead(read()) };
}

test('the next item is read while the caller works, and no further', async () => {
	const { events, items } = numbers(3);
	for await (const item of items) {
		await setImmediate();
		events.push(`done ${item}`);
	}
	assert.deepEqual(events, ['read 0', 'read 1', 'done 0', 'read 2', 'done 1', 'closed', 'done 2']);
});

test('an error reaches the caller behind the items in front of it', async () => {
	const { events, items } = numbers(3, 1);
	await assert.rejects(async () => {
		for await (const item of items) {
			await setImmediate();
			events.push(`done ${item}`);
		}
	}, /item 1/);
	assert.deepEqual(events, ['read 0', 'closed', 'done 0']);
});

test('a caller that stops early closes the source', async () => {
	const { events, items } = numbers(5);
	for await (const item of items) {
		events.push(`done ${item}`);
		break;
	}
	assert.deepEqual(events, ['read 0', 'read 1', 'done 0', 'closed']);
});

test('no items are no turn', async () => {
	const { events, items } = numbers(0);
	for await (const item of items) {
		events.push(`done ${item}`);
	}
	assert.deepEqual(events, ['closed']);
});
