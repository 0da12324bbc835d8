/** The engine is killed at random moments of real runs: nothing hangs, nothing stays behind. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { seededRandom } from '../../../src/engine/child/tensors/random.js';
import { EngineClient, EngineError, type RequestHooks } from '../../../src/engine/client.js';
import { convolutionChain } from '../support/networks.js';

const KILLS = 200;
/** Of the work that is done at a time; the client's own default. */
const CONCURRENCY = 2;
const INSPECT = { run: true, inputs: [], batch: 1, seed: 0 };

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const outside = process.env.TMPDIR;
let folder: string;
let temporary: string;
let model: string;
let names: readonly string[];
before(() => {
	folder = mkdtempSync(path.join(tmpdir(), 'bnl-kill-'));
	temporary = mkdtempSync(path.join(folder, 'tmp-'));
	model = path.join(folder, 'model.onnx');
	writeFileSync(model, convolutionChain(12, [2, 8, 32, 32]));
	names = readdirSync(folder);
	process.env.TMPDIR = temporary;
});
after(() => {
	if (outside === undefined) {
		delete process.env.TMPDIR;
	} else {
		process.env.TMPDIR = outside;
	}
	rmSync(folder, { recursive: true });
});

/** A client whose processes are known by their ids, in the order in which they were started. */
function startClient() {
	const pids: number[] = [];
	const onLog = (line: string) => {
		const [, pid] = /^pid (\d+)$/.exec(line) ?? [];
		if (pid !== undefined) {
			pids.push(Number(pid));
		}
	};
	const entry = path.resolve('test', 'unit', 'support', 'named-engine.cjs');
	return { client: new EngineClient({ entry, onLog, concurrency: CONCURRENCY }), pids };
}

function isAlive(pid: number): boolean {
	try {
		return process.kill(pid, 0);
	} catch {
		return false;
	}
}

/** Waits until it holds, for what the system does in its own time; false when it does not. */
async function soon(holds: () => boolean, milliseconds = 5000): Promise<boolean> {
	for (const end = Date.now() + milliseconds; Date.now() < end; await sleep(10)) {
		if (holds()) {
			return true;
		}
	}
	return holds();
}

/** Bytes of live objects in this process. */
function level(): number {
	collectGarbage();
	return process.memoryUsage().heapUsed;
}

const handles = (): number => (process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0);

type Task = (client: EngineClient, hooks: RequestHooks) => Promise<unknown>;
const TASKS: readonly Task[] = [
	(client, hooks) => client.inspect({ path: model }, INSPECT, hooks),
	(client, hooks) => client.inspect({ path: model }, { ...INSPECT, memoryBudget: 2 ** 20 }, hooks),
	(client, hooks) =>
		client.fold({ path: model }, { output: path.join(folder, 'folded.onnx'), batch: 1, seed: 0 }, hooks),
];

interface Outcome {
	readonly code: string;
	/** The last that was heard of it before it was ended. */
	readonly stage: string;
	/** From the cancellation to the answer. */
	readonly cancelled?: number;
}

/** Does a task in a process of its own that is ended after `delay` milliseconds: by a signal, or by cancelling. */
async function killed(task: Task, delay: number, how: NodeJS.Signals | 'cancel'): Promise<Outcome> {
	const { client, pids } = startClient();
	const abort = new AbortController();
	let stage = 'starting';
	let ended = Number.NaN;
	const running = task(client, {
		signal: abort.signal,
		onEvent: (event) => {
			stage = event.type === 'progress' ? event.stage : event.type === 'layer' ? 'verifying' : stage;
		},
	});
	const timer = setTimeout(() => {
		ended = performance.now();
		if (how === 'cancel') {
			abort.abort();
		} else if (pids[0] !== undefined && isAlive(pids[0])) {
			process.kill(pids[0], how);
		} else {
			// The process has not said who it is.
			client.dispose();
		}
	}, delay);
	const hung = new AbortController();
	const limit = sleep(20_000, 'hung', { signal: hung.signal }).catch(() => 'settled');
	const code = await Promise.race([
		running.then(
			() => 'done',
			(error) => (error instanceof EngineError ? error.code : assert.fail(String(error))),
		),
		limit,
	]);
	const cancelled = how === 'cancel' && code === 'cancelled' ? { cancelled: performance.now() - ended } : {};
	hung.abort();
	clearTimeout(timer);
	assert.ok(await soon(() => !pids.some(isAlive)), `an orphan after ${how} in ${stage}`);
	return { code, stage, ...cancelled };
}

test(`${KILLS} kills: every request settles, and no process, file or memory is left`, async (context) => {
	const start = performance.now();
	// How long each task takes undisturbed: learned anew from every one that got through, since the machine has other work.
	const takes = TASKS.map(() => 300);
	const random = seededRandom(200);
	const ways = ['SIGKILL', 'SIGSEGV', 'cancel', 'SIGTERM', 'cancel'] as const;
	const outcomes: Outcome[] = [];
	let [memory, open] = [0, 0];
	for (let kill = 0; kill < KILLS; kill += CONCURRENCY) {
		if (kill === 20) {
			// By now everything is loaded and compiled.
			[memory, open] = [level(), handles()];
		}
		const pair = [kill, kill + 1].map(async (index) => {
			const which = index % TASKS.length;
			const begin = performance.now();
			const outcome = await killed(TASKS[which], random.uniform() * takes[which], ways[index % ways.length]);
			if (outcome.code === 'done') {
				takes[which] = performance.now() - begin;
			} else if (outcome.stage === 'starting') {
				takes[which] *= 1.2;
			}
			return outcome;
		});
		outcomes.push(...(await Promise.all(pair)));
	}
	const count = (of: (outcome: Outcome) => string) =>
		Object.fromEntries(
			[...new Set(outcomes.map(of))].map((key) => [key, outcomes.filter((o) => of(o) === key).length]),
		);
	const slowest = Math.max(...outcomes.map(({ cancelled = 0 }) => cancelled));
	const growth = level() - memory;
	context.diagnostic(
		`${JSON.stringify(count(({ code }) => code))} in ${JSON.stringify(count(({ stage }) => stage))}; the tasks take ${takes.map(Math.round)} ms, ` +
			`the slowest cancellation ${slowest.toFixed(1)} ms, memory grew by ${(growth / 2 ** 20).toFixed(2)} MB, in ${Math.round((performance.now() - start) / 1000)} s`,
	);
	assert.equal(outcomes.length, KILLS);
	assert.ok(outcomes.every(({ code }) => ['done', 'crashed', 'cancelled'].includes(code)));
	assert.ok(outcomes.filter(({ code }) => code !== 'done').length >= KILLS / 2, 'the moments are spread over the run');
	for (const stage of ['starting', 'opening', 'running', 'verifying']) {
		assert.ok(
			outcomes.some((outcome) => outcome.stage === stage && outcome.code !== 'done'),
			stage,
		);
	}
	assert.ok(slowest < 500, `${slowest} ms`);
	// A kilobyte a request would be a list that forgets nothing.
	assert.ok(growth < 2 ** 21, `${growth} bytes more`);
	assert.ok(await soon(() => handles() <= open), `${handles()} handles, ${open} before`);
	// The parent removes the file of the last killed engine after that engine has ended.
	assert.ok(await soon(() => readdirSync(temporary).length === 0), readdirSync(temporary).join());
	assert.ok(await soon(() => readdirSync(folder).every((name) => names.includes(name) || name === 'folded.onnx')));
	await TASKS[0](startClient().client, {});
});
