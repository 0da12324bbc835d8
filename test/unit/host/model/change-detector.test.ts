import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { ChangeDetector } from '../../../../src/host/model/change-detector.js';

let files: (string | undefined)[];
let changes: string[];
let detector: ChangeDetector;

beforeEach(() => {
	mock.timers.reset();
	mock.timers.enable({ apis: ['setTimeout'] });
	files = ['1/100'];
	changes = [];
	detector = new ChangeDetector({ describe: async () => files, onChange: (change) => changes.push(change) });
});

/** Lets the detector's quiet time pass, and its comparison end. */
async function quiet(milliseconds = 300): Promise<void> {
	mock.timers.tick(milliseconds);
	await new Promise((resolve) => setImmediate(resolve));
}

test('a burst of events is one change, reported when it is over', async () => {
	await detector.remember();
	files = ['2/50'];
	detector.poke();
	await quiet(200);
	files = ['3/100'];
	detector.poke();
	await quiet(200);
	assert.deepEqual(changes, []);
	await quiet(100);
	assert.deepEqual(changes, ['changed']);
});

test('events without a change are not reported', async () => {
	await detector.remember();
	detector.poke();
	await quiet();
	assert.deepEqual(changes, []);
});

test('a save through a temporary file, a lasting deletion and a return are changes', async () => {
	await detector.remember();
	files = [undefined];
	detector.poke();
	await quiet(100);
	files = ['2/100'];
	detector.poke();
	await quiet();
	files = [undefined];
	detector.poke();
	await quiet();
	detector.poke();
	await quiet();
	files = ['2/100'];
	detector.poke();
	await quiet();
	assert.deepEqual(changes, ['changed', 'deleted', 'changed']);
});

test('a write between remembering and reading counts', async () => {
	await detector.remember();
	files = ['2/100'];
	detector.poke();
	await detector.remember();
	files = ['3/100'];
	await quiet();
	assert.deepEqual(changes, ['changed']);
});

test('a newly watched file is no change; its later changes are', async () => {
	await detector.remember();
	files = ['1/100', '1/5'];
	detector.poke();
	await quiet();
	assert.deepEqual(changes, []);
	files = ['1/100', undefined];
	detector.poke();
	await quiet();
	assert.deepEqual(changes, ['changed']);
});

test('a file is compared with its state at registration, the model with its previous state', async () => {
	await detector.remember();
	files = ['2/100', '1/5'];
	await detector.extend();
	detector.poke();
	await quiet();
	assert.deepEqual(changes, ['changed']);
	await detector.extend();
	files = ['2/100', '1/6'];
	detector.poke();
	await quiet();
	assert.deepEqual(changes, ['changed', 'changed']);
});

test('after dispose no change is reported', async () => {
	await detector.remember();
	files = ['2/100'];
	detector.poke();
	detector.dispose();
	detector.poke();
	await quiet();
	assert.deepEqual(changes, []);
});
