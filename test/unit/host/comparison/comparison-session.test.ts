import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Comparison } from '../../../../src/core/report/comparison/comparison.js';
import type { RequestHooks } from '../../../../src/engine/client.js';
import { ComparisonSession } from '../../../../src/host/comparison/comparison-session.js';
import type { HostToComparison } from '../../../../src/protocol/host-comparison.js';
import { comparedLayer, sampleComparison } from '../../support/sample-comparison.js';

interface Call {
	readonly swapped: boolean;
	readonly hooks: RequestHooks;
	readonly resolve: (comparison: Comparison) => void;
	readonly reject: (error: Error) => void;
}

function session() {
	const calls: Call[] = [];
	const messages: HostToComparison[] = [];
	const log: string[] = [];
	const made = new ComparisonSession({
		compare: (swapped, hooks) =>
			new Promise((resolve, reject) => {
				calls.push({ swapped, hooks, resolve, reject });
				hooks.signal?.addEventListener('abort', () => reject(engineError('It was cancelled.')));
			}),
		log: (line) => log.push(line),
	});
	made.onMessage((message) => messages.push(message));
	return { made, calls, messages, log };
}

const engineError = (message: string) => Object.assign(new Error(message), { name: 'EngineError' });
const comparison = sampleComparison([comparedLayer()]);
const types = (messages: readonly HostToComparison[]) => messages.map(({ type }) => type);

test('a comparison is sent with its progress, and again to a page that comes later', async () => {
	const { made, calls, messages } = session();
	const run = made.run();
	assert.equal(made.running, true);
	calls[0]?.hooks.onEvent?.({ type: 'progress', id: 1, stage: 'comparing', done: 3, total: 9 });
	assert.deepEqual(made.snapshot(), [{ type: 'progress', progress: { stage: 'comparing', done: 3, total: 9 } }]);
	calls[0]?.resolve(comparison);
	await run;
	assert.deepEqual(types(messages), ['progress', 'progress', 'comparison', 'progress']);
	assert.deepEqual(made.snapshot(), [{ type: 'comparison', comparison }]);
	assert.equal(made.running, false);
});

test('a failure leaves the last comparison, is logged, and is forgotten by the next success', async () => {
	const { made, calls, log } = session();
	const first = made.run();
	calls[0]?.resolve(comparison);
	await first;
	const second = made.run();
	calls[1]?.reject(engineError('b.onnx cannot be opened.'));
	await second;
	assert.deepEqual(types(made.snapshot()), ['comparison', 'failure']);
	assert.deepEqual([made.problem, log], ['b.onnx cannot be opened.', ['b.onnx cannot be opened.']]);
	const third = made.run();
	calls[2]?.resolve(comparison);
	await third;
	assert.deepEqual(types(made.snapshot()), ['comparison']);
});

test('swapping exchanges the roles, and comparing again keeps them', async () => {
	const { made, calls } = session();
	for (const order of ['same', 'swapped', 'same', 'swapped'] as const) {
		void made.run(order);
	}
	assert.deepEqual(
		calls.map(({ swapped }) => swapped),
		[false, true, true, false],
	);
});

test('an outer reason ends the current comparison, and the next success removes it', async () => {
	const { made, calls, messages } = session();
	const run = made.run();
	made.fail('b.onnx was deleted.');
	await run;
	assert.equal(calls[0]?.hooks.signal?.aborted, true);
	assert.deepEqual([made.running, made.problem], [false, 'b.onnx was deleted.']);
	assert.deepEqual(made.snapshot(), [{ type: 'failure', message: 'b.onnx was deleted.' }]);
	assert.deepEqual(types(messages), ['progress', 'failure', 'progress']);
	const again = made.run();
	calls[1]?.resolve(comparison);
	await again;
	assert.deepEqual(made.snapshot(), [{ type: 'comparison', comparison }]);
});

test('the last start counts: the previous comparison is canceled and sends no more messages', async () => {
	const { made, calls, messages } = session();
	const first = made.run();
	const second = made.run();
	calls[0]?.resolve(sampleComparison([]));
	calls[1]?.resolve(comparison);
	await Promise.all([first, second]);
	assert.equal(calls[0]?.hooks.signal?.aborted, true);
	assert.equal(made.comparison, comparison);
	assert.equal(types(messages).filter((type) => type === 'comparison').length, 1);
});

test('canceling is reported; a disposed session is silent', async () => {
	const { made, messages } = session();
	const cancelled = made.run();
	made.cancel();
	await cancelled;
	assert.equal(made.problem, 'It was cancelled.');
	const count = messages.length;
	const disposed = made.run();
	made.dispose();
	await disposed;
	assert.deepEqual(types(messages.slice(count)), ['progress']);
});
