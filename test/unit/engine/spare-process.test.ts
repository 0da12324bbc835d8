import assert from 'node:assert/strict';
import path from 'node:path';
import { afterEach, test } from 'node:test';
import { EngineClient } from '../../../src/engine/client.js';
import { SpareProcess } from '../../../src/engine/spare-process.js';
import { waitUntilGone } from '../support/processes.js';

const entry = path.resolve('test/unit/support/fake-engine.cjs');
const options = { run: true, inputs: [], batch: 1, seed: 0 };
let engine: EngineClient;
afterEach(() => engine?.dispose());

const inspect = async (changes: { readonly memoryBudget?: number } = {}) => {
	const answer = await engine.inspect({ path: 'answer' }, { ...options, ...changes });
	return answer as unknown as { readonly pid: number; readonly isWarm: boolean };
};

test('the first request takes the process that was started ahead, and the next starts its own', async () => {
	engine = new EngineClient({ entry });
	engine.prepare();
	const first = await inspect();
	assert.equal(first.isWarm, true);
	await waitUntilGone(first.pid);
	assert.equal((await inspect()).isWarm, false);
});

test('a request with a memory budget starts its own process and leaves the other to the next', async () => {
	engine = new EngineClient({ entry });
	engine.prepare();
	assert.equal((await inspect({ memoryBudget: 2 ** 20 })).isWarm, false);
	assert.equal((await inspect()).isWarm, true);
});

test('a client without use for it ends the process', async () => {
	const spare = new SpareProcess({ entry });
	const child = spare.take();
	assert.ok(child?.pid);
	assert.equal(spare.take(), undefined);
	child.kill('SIGKILL');
	const unused = new SpareProcess({ entry }, 0);
	for (const end = Date.now() + 5000; unused.pid !== undefined; await new Promise(setImmediate)) {
		assert.ok(Date.now() < end, 'the process outlives its time');
	}
	assert.equal(unused.take(), undefined);
	engine = new EngineClient({ entry });
	engine.prepare();
	engine.dispose();
	engine.prepare();
});

test('a process that ended before its request is not used', async () => {
	const spare = new SpareProcess({ entry });
	const { pid } = spare;
	assert.ok(pid !== undefined);
	process.kill(pid, 'SIGKILL');
	await waitUntilGone(pid);
	for (const end = Date.now() + 5000; spare.pid !== undefined; await new Promise(setImmediate)) {
		assert.ok(Date.now() < end, 'the end of the process was not noticed');
	}
	assert.equal(spare.take(), undefined);
});

test('a program that is missing leaves no process, and no error before the request', async () => {
	engine = new EngineClient({ entry, execPath: '/nowhere/node' });
	engine.prepare();
	await assert.rejects(inspect(), /could not be started for answer/);
});
