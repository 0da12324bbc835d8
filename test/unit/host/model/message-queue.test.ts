import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { MessageQueue } from '../../../../src/host/model/message-queue.js';
import type { HostToWebview } from '../../../../src/protocol/host-webview.js';
import { pendingLayer, pendingReport } from '../../support/reports.js';

const layer = (index: number, name = `layer${index}`): HostToWebview => ({
	type: 'layer',
	index,
	layer: pendingLayer(name),
});
const progress = (done: number): HostToWebview => ({
	type: 'progress',
	progress: { stage: 'verifying', done, total: 9 },
});
const report: HostToWebview = { type: 'report', report: pendingReport('a') };
const run: HostToWebview = { type: 'run', run: pendingReport().run };

let sent: HostToWebview[];
/** Ends the posts under way. */
let arrive: (() => void)[];
let queue: MessageQueue;

beforeEach(() => {
	mock.timers.reset();
	mock.timers.enable({ apis: ['setTimeout'] });
	sent = [];
	arrive = [];
	queue = new MessageQueue((message) => {
		sent.push(message);
		return new Promise<void>((resolve) => arrive.push(resolve));
	});
});

async function settle(): Promise<void> {
	for (const end of arrive.splice(0)) {
		end();
	}
	await new Promise((resolve) => setImmediate(resolve));
}

test('verdicts wait for more of them, and only the newest of each is sent', () => {
	for (const message of [layer(0), progress(1), layer(1), progress(2), layer(0, 'newer')]) {
		queue.push(message);
	}
	assert.deepEqual(sent, []);
	mock.timers.tick(100);
	assert.deepEqual(sent, [layer(1), progress(2), layer(0, 'newer')]);
});

test('all but verdicts and progress is sent at once, behind waiting messages', () => {
	queue.push(layer(0));
	queue.push({ type: 'failure', message: 'It was deleted.' });
	assert.deepEqual(sent, [layer(0), { type: 'failure', message: 'It was deleted.' }]);
	mock.timers.tick(100);
	assert.equal(sent.length, 2);
});

test('a report takes the place of the verdicts that it holds', () => {
	queue.push(layer(0));
	queue.push(progress(1));
	queue.push(report);
	assert.deepEqual(sent, [progress(1), report]);
});

test('a batch waits until the previous batch has arrived', async () => {
	queue.push(report);
	queue.push(layer(0));
	queue.push(run);
	mock.timers.tick(1000);
	assert.deepEqual(sent, [report]);
	await settle();
	assert.deepEqual(sent, [report, layer(0), run]);
	await settle();
	queue.push(progress(3));
	assert.equal(sent.length, 3);
	mock.timers.tick(100);
	assert.deepEqual(sent.at(-1), progress(3));
});

test('a page that went while a batch was on its way is served when it is back', async () => {
	queue.push(report);
	queue.push(layer(0));
	queue.clear();
	queue.push(report);
	assert.deepEqual(sent, [report, report]);
	queue.push(run);
	await settle();
	assert.deepEqual(sent, [report, report, run]);
});

test('a post that is refused does not stop the next', async () => {
	const refused: HostToWebview[] = [];
	const failing = new MessageQueue((message) => {
		refused.push(message);
		return Promise.reject(new Error('disposed'));
	});
	failing.push(report);
	await settle();
	failing.push(run);
	assert.deepEqual(refused, [report, run]);
});
