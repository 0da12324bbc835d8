import assert from 'node:assert/strict';
import path from 'node:path';
import { afterEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineClient, type EngineClientOptions, EngineError, type RequestHooks } from '../../../src/engine/client.js';

const entry = path.resolve('test/unit/support/fake-engine.cjs');
const options = { run: true, inputs: [], batch: 1, seed: 0 };
const clients: EngineClient[] = [];

function client(extra: Partial<EngineClientOptions> = {}): EngineClient {
	const made = new EngineClient({ entry, ...extra });
	clients.push(made);
	return made;
}

const inspect = (engine: EngineClient, behavior: string, hooks?: RequestHooks) =>
	engine.inspect({ path: behavior }, options, hooks);

const failure = async (promise: Promise<unknown>): Promise<EngineError> => {
	const error = await promise.then(
		() => assert.fail('it should have been rejected'),
		(reason) => reason,
	);
	assert.ok(error instanceof EngineError);
	return error;
};

/** Starts a request that never ends by itself; resolves with its process id once it is busy. */
function hang(engine: EngineClient, signal?: AbortSignal): { busy: Promise<number>; outcome: Promise<EngineError> } {
	let outcome: Promise<EngineError> | undefined;
	const busy = new Promise<number>((resolve) => {
		const onEvent: RequestHooks['onEvent'] = (event) => event.type === 'progress' && resolve(event.done);
		outcome = failure(inspect(engine, 'hang', { onEvent, ...(signal && { signal }) }));
	});
	assert.ok(outcome);
	return { busy, outcome };
}

async function assertGone(pid: number): Promise<void> {
	for (let attempt = 0; attempt < 100; attempt++) {
		try {
			process.kill(pid, 0);
		} catch {
			return;
		}
		await sleep(10);
	}
	assert.fail(`process ${pid} is still there`);
}

afterEach(() => {
	for (const engine of clients.splice(0)) {
		engine.dispose();
	}
});

test('typed arrays and non-finite numbers of a report arrive as they are', async () => {
	const report = (await inspect(client(), 'answer')) as unknown as { layers: { gamma: Float64Array }[] };
	assert.deepEqual(report.layers[0]?.gamma, Float64Array.of(1, Number.NaN));
});

test('events arrive in order before the result', async () => {
	const types: string[] = [];
	await inspect(client(), 'stages', { onEvent: (event) => types.push(event.type) });
	assert.deepEqual(types, ['progress', 'run']);
});

test('telemetry is off, Electron acts as Node, and options meant for the parent stay with it', async () => {
	const before = process.env.NODE_OPTIONS;
	process.env.NODE_OPTIONS = '--max-http-header-size=8192';
	try {
		const report = (await inspect(client(), 'environment')) as unknown as { env: object; execArgv: string[] };
		assert.deepEqual(report.execArgv, []);
		assert.deepEqual(report.env, {
			NODE_OPTIONS: undefined,
			ELECTRON_RUN_AS_NODE: '1',
			ELECTRON_NO_ASAR: '1',
			ORT_DISABLE_TELEMETRY: '1',
		});
	} finally {
		if (before === undefined) {
			delete process.env.NODE_OPTIONS;
		} else {
			process.env.NODE_OPTIONS = before;
		}
	}
});

test('memory that was freed is kept, unless a budget is', async () => {
	const trimThreshold = async (memoryBudget?: number) => {
		const report = await client().inspect(
			{ path: 'environment' },
			{ ...options, ...(memoryBudget !== undefined && { memoryBudget }) },
		);
		return (report as { readonly trimThreshold?: string }).trimThreshold;
	};
	assert.equal(await trimThreshold(), String(256 * 2 ** 20));
	assert.equal(await trimThreshold(1), String(32 * 2 ** 20));
});

test('a failure keeps its code and sentence', async () => {
	const error = await failure(inspect(client(), 'refuse not-onnx'));
	assert.deepEqual([error.code, error.message], ['not-onnx', 'It is refused.']);
});

test('a crash is explained in words, and the next request works', async () => {
	const engine = client({ concurrency: 1 });
	const crashes = ['signal SIGSEGV', 'signal SIGABRT', 'exit 139', 'exit 0', 'exit 3', 'unheard-of'];
	const errors = await Promise.all(crashes.map((behavior) => failure(inspect(engine, behavior))));
	assert.deepEqual(new Set(errors.map((error) => error.code)), new Set(['crashed']));
	assert.match(
		errors[0]?.message ?? '',
		/^The engine stopped while inspecting signal SIGSEGV: .*memory.*\(SIGSEGV\)\.$/,
	);
	await inspect(engine, 'answer');
});

test('a process that can no longer answer is abandoned', async () => {
	const error = await failure(inspect(client(), 'mute'));
	assert.deepEqual([error.code, error.message], ['crashed', 'The engine stopped answering while inspecting mute.']);
});

test('messages outside the protocol and of other requests are ignored, and logged', async () => {
	const lines: string[] = [];
	await inspect(client({ onLog: (line) => lines.push(line) }), 'garbage');
	assert.equal(lines.filter((line) => line.includes('not part of the protocol')).length, 9);
});

test('the first answer counts', async () => {
	await inspect(client(), 'twice');
});

test("the engine's prints go to the log, line by line", async () => {
	const lines: string[] = [];
	await inspect(client({ onLog: (line) => lines.push(line) }), 'print');
	assert.deepEqual(lines, ['first line', 'second line']);
});

test('a program that cannot be started rejects, and does not block the queue', async () => {
	const engine = client({ concurrency: 1, execPath: path.resolve('no', 'such', 'program') });
	const errors = await Promise.all([failure(inspect(engine, 'answer')), failure(inspect(engine, 'answer'))]);
	for (const error of errors) {
		assert.equal(error.code, 'crashed');
		assert.match(error.message, /could not be started.*ENOENT/);
	}
});

test('a request that cannot be sent rejects, and does not block the queue', async () => {
	const engine = client({ concurrency: 1 });
	const unsendable = { ...options, inputs: [(() => {}) as never] };
	const error = await failure(engine.inspect({ path: 'answer' }, unsendable));
	assert.equal(error.code, 'internal');
	await inspect(engine, 'answer');
});

test('a listener that throws fails its own request only', async () => {
	const engine = client();
	const onEvent = () => {
		throw new Error('no page');
	};
	const error = await failure(inspect(engine, 'stages', { onEvent }));
	assert.deepEqual([error.code, error.message], ['internal', 'The progress of stages could not be shown: no page']);
});

test('cancelling a busy request rejects at once, ends its process, and leaves the other request alone', async () => {
	const engine = client({ concurrency: 2 });
	const abort = new AbortController();
	const cancelled = hang(engine, abort.signal);
	const other = hang(engine);
	const [pid, otherPid] = await Promise.all([cancelled.busy, other.busy]);
	const before = performance.now();
	abort.abort();
	assert.equal((await cancelled.outcome).code, 'cancelled');
	assert.ok(performance.now() - before < 100);
	await assertGone(pid);
	process.kill(otherPid, 0);
	engine.dispose();
	assert.equal((await other.outcome).code, 'cancelled');
	await assertGone(otherPid);
});

test('a waiting request starts when the request before it is canceled', async () => {
	const engine = client({ concurrency: 1 });
	const abort = new AbortController();
	const first = hang(engine, abort.signal);
	const second = inspect(engine, 'answer');
	await first.busy;
	abort.abort();
	await Promise.all([first.outcome, second]);
});

test('a request cancelled while it waits, or before it is made, never starts a process', async () => {
	const lines: string[] = [];
	const engine = client({ concurrency: 1, onLog: (line) => lines.push(line) });
	const first = hang(engine);
	const abort = new AbortController();
	const waiting = failure(inspect(engine, 'print', { signal: abort.signal }));
	await first.busy;
	abort.abort();
	assert.equal((await waiting).code, 'cancelled');
	assert.equal((await failure(inspect(engine, 'print', { signal: AbortSignal.abort() }))).code, 'cancelled');
	engine.dispose();
	await first.outcome;
	assert.deepEqual(lines, []);
});

test('after dispose every request is rejected', async () => {
	const engine = client();
	engine.dispose();
	assert.equal((await failure(inspect(engine, 'answer'))).code, 'cancelled');
});
