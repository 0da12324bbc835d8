import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Runtime, RuntimeError } from '../../../../src/engine/child/runtime/runtime.js';
import { warmUp } from '../../../../src/engine/child/warm-up.js';
import { runtime, sharedKernel } from '../../support/inspect.js';

test('warming up runs a model with and without optimizations, and releases every session', async () => {
	const levels: string[] = [];
	let runs = 0;
	let open = 0;
	const counting: Runtime = {
		...runtime,
		async createSession(model, options) {
			const session = await runtime.createSession(model, options);
			levels.push(session.level);
			open++;
			return {
				...session,
				run: (...parts) => {
					runs++;
					return session.run(...parts);
				},
				release: () => {
					open--;
					return session.release();
				},
			};
		},
	};
	await warmUp({ runtime: () => counting, kernel: sharedKernel });
	assert.deepEqual([...new Set(levels)].sort(), ['all', 'disabled']);
	assert.ok(runs >= 2, `${runs} runs`);
	assert.equal(open, 0);
});

test('a runtime that does not load is left to the request to report', async () => {
	const fail = (): never => {
		throw new RuntimeError('The runtime is missing.');
	};
	await warmUp({ runtime: fail, kernel: sharedKernel });
});
