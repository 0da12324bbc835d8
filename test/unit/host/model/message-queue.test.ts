import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import type { Report } from '../../../../src/core/report/types.js';
import { MessageQueue } from '../../../../src/host/model/message-queue.js';
import type { SessionMessage } from '../../../../src/host/model/model-session.js';
import type { HostToWebview } from '../../../../src/protocol/host-webview.js';
import { pendingReport } from '../../support/reports.js';
import { MATCH, sampleRun } from '../../support/sample-report.js';

const structure = pendingReport('a', 'b');
/** An update of the report in which the first `count` layers match. */
const verdicts = (count: number, run: Partial<Report> = {}): SessionMessage => ({
	type: 'update',
	report: {
		...structure,
		layers: structure.layers.map((layer, index) => (index < count ? { ...layer, recompute: MATCH } : layer)),
		...run,
	},
});
/** Changes of the page's report by the verdicts of these layers. */
const matches = (indices: readonly number[], run: Partial<Report> = {}): HostToWebview => {
	const { layers: _, ...rest } = structure;
	const layers = indices.map((index) => ({ index, fields: { recompute: MATCH }, removed: [] }));
	return { type: 'changes', changes: { ...(run.run && { rest: { ...rest, ...run } }), layers } };
};
const progress = (done: number): SessionMessage & HostToWebview => ({
	type: 'progress',
	progress: { stage: 'verifying', done, total: 9 },
});
const report: SessionMessage & HostToWebview = { type: 'report', report: structure };
const ended = { run: sampleRun('ok') };

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

test('verdicts wait for more of them, and only the newest state is sent, as changes', async () => {
	queue.push(report);
	await settle();
	for (const message of [verdicts(1), progress(1), progress(2), verdicts(2)]) {
		queue.push(message);
	}
	assert.deepEqual(sent, [report]);
	mock.timers.tick(100);
	assert.deepEqual(sent, [report, progress(2), matches([0, 1])]);
});

test('all but verdicts and progress is sent at once, behind waiting messages', async () => {
	queue.push(report);
	await settle();
	queue.push(verdicts(1));
	queue.push({ type: 'failure', message: 'It was deleted.' });
	assert.deepEqual(sent.slice(1), [matches([0]), { type: 'failure', message: 'It was deleted.' }]);
	mock.timers.tick(100);
	assert.equal(sent.length, 3);
});

test('a report takes the place of the updates before it', () => {
	queue.push(verdicts(1));
	queue.push(progress(1));
	queue.push(report);
	assert.deepEqual(sent, [progress(1), report]);
});

test('a batch waits until the previous batch has arrived, and then holds all changes since', async () => {
	queue.push(report);
	queue.push(verdicts(1));
	queue.push(verdicts(2, ended));
	mock.timers.tick(1000);
	assert.deepEqual(sent, [report]);
	await settle();
	assert.deepEqual(sent, [report, matches([0, 1], ended)]);
	await settle();
	queue.push(progress(3));
	assert.equal(sent.length, 2);
	mock.timers.tick(100);
	assert.deepEqual(sent.at(-1), progress(3));
});

test('an update of other layers is sent as a whole report', async () => {
	queue.push(report);
	await settle();
	const other = pendingReport('c');
	queue.push({ type: 'update', report: { ...other, ...ended } });
	assert.deepEqual(sent.at(-1), { type: 'report', report: { ...other, ...ended } });
});

test('a page that went while a batch was on its way gets the whole report when it is back', async () => {
	queue.push(report);
	queue.push(verdicts(1));
	queue.clear();
	queue.push(report);
	assert.deepEqual(sent, [report, report]);
	queue.push(verdicts(2, ended));
	await settle();
	assert.deepEqual(sent, [report, report, matches([0, 1], ended)]);
});

test('a post that is refused does not stop the next', async () => {
	const refused: HostToWebview[] = [];
	const failing = new MessageQueue((message) => {
		refused.push(message);
		return Promise.reject(new Error('disposed'));
	});
	failing.push(report);
	await settle();
	failing.push(verdicts(0, ended));
	assert.deepEqual(refused, [report, matches([], ended)]);
});
