// Opens mutated models and reports any result other than a model or a typed error: node test/fuzz/run.mjs [--count N]
// [--seed S] [--jobs N] [--only INDEX] [--format pytorch|pytorch-legacy|torchscript|safetensors|keras]
import { fork } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { buildTests } from '../../esbuild.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/**
 * Time after which a mutation counts as a hang, in ms. The worker itself reports slow mutations and hangs by processor
 * time; this limit ends only a worker that waits without an end.
 */
const HANG = 20 * 60_000;

/**
 * Memory limit for one mutation in a process of its own, in MB, including 100 MB of Node's own and of the code. A process
 * that examines many mutations ends at this size, and its last mutation is examined again alone.
 */
const MEMORY_MB = 256;

/** Number of mutations after which a long run prints its progress. */
const PROGRESS = 10_000;

/** Number of mutations that a job takes up at once. */
const PORTION = 5000;

/** Maximum number of crashes and hangs, each of which costs a new process, before the run gives up. */
const MAX_DEATHS = 20;

const { values } = parseArgs({
	options: {
		count: { type: 'string', default: '20000' },
		seed: { type: 'string', default: '1' },
		jobs: { type: 'string', default: '1' },
		only: { type: 'string' },
		format: { type: 'string' },
	},
});
const seed = Number(values.seed);
const first = Number(values.only ?? 0);
const end = values.only === undefined ? Number(values.count) : first + 1;
const [worker, examine] = await buildTests(['test/fuzz/worker.ts', 'test/fuzz/examine.ts', 'test/fuzz/watchdog.ts']);
const { mutant } = await import(pathToFileURL(examine).href);

/** @type {Map<number, string>} */
const failures = new Map();
let examined = 0;
let deaths = 0;
let next = first;
await Promise.all(
	Array.from({ length: Number(values.jobs) }, async () => {
		while (next < end && deaths < MAX_DEATHS) {
			const start = next;
			next = Math.min(start + PORTION, end);
			await examinePortion(start, next);
		}
	}),
);
console.log(`${examined - failures.size} passed, ${failures.size + (end - first - examined)} failed`);
process.exitCode = failures.size > 0 || examined < end - first ? 1 : 0;

/**
 * Examines the mutations `start` to `stop` - 1, with a new process after each one that ends early.
 * @param {number} start
 * @param {number} stop
 */
async function examinePortion(start, stop) {
	let index = start;
	while (index < stop && deaths < MAX_DEATHS) {
		const { reached, ending, peakMb = 0 } = await examineFrom(index, stop);
		// Mutations before the last may have left memory behind.
		const isFull = ending !== undefined || peakMb > MEMORY_MB;
		const alone = isFull && reached > index ? await examineFrom(reached, reached + 1) : { ending, peakMb };
		const problem = alone.ending ?? memoryProblem(alone.peakMb);
		if (problem !== undefined) {
			fail(reached, problem);
			deaths++;
		}
		for (; index <= reached; index++) {
			examined++;
			if (examined % PROGRESS === 0) {
				console.log(`${examined} examined, ${failures.size} failed so far`);
			}
		}
	}
}

/** @param {number} [peakMb] */
function memoryProblem(peakMb = 0) {
	return peakMb > MEMORY_MB ? `Memory rose to ${peakMb.toFixed(0)} MB.` : undefined;
}

/**
 * Runs one worker until it ends, crashes or hangs.
 * @param {number} start
 * @param {number} stop
 * @returns {Promise<{ reached: number, ending?: string, peakMb?: number }>} the last mutation it took up, how it ended if
 * not well, and the peak of its memory
 */
function examineFrom(start, stop) {
	return new Promise((resolve) => {
		const child = fork(worker, [seed, start, stop, MEMORY_MB, values.format ?? ''].map(String), {
			cwd: root,
			execArgv: [`--max-old-space-size=${MEMORY_MB / 2}`],
		});
		let reached = start;
		/** @type {number | undefined} */
		let peakMb;
		/** @type {string | undefined} */
		let ending;
		const watchdog = setInterval(() => {
			if (Date.now() - lastMessage > HANG) {
				ending = `It took more than ${HANG} ms.`;
				child.kill('SIGKILL');
			}
		}, 500);
		let lastMessage = Date.now();
		child.on('message', (/** @type {{ index?: number, failure?: string, peakMb?: number }} */ message) => {
			lastMessage = Date.now();
			reached = message.index ?? reached;
			if (message.failure !== undefined) {
				fail(reached, message.failure);
			}
			peakMb = message.peakMb;
		});
		child.on('exit', (code, signal) => {
			clearInterval(watchdog);
			const died = signal === 'SIGXCPU' ? 'It took too much processor time.' : `The process died (${signal ?? code}).`;
			resolve({ reached, ending: ending ?? (peakMb === undefined ? died : undefined), peakMb });
		});
	});
}

/**
 * @param {number} index
 * @param {string} reason
 */
function fail(index, reason) {
	failures.set(index, reason);
	const file = path.join(root, 'out', 'fuzz', `${seed}-${index}.onnx`);
	mkdirSync(path.dirname(file), { recursive: true });
	writeFileSync(file, mutant(seed, index, values.format));
	console.log(`Mutation ${index} of seed ${seed} (${path.relative(root, file)}): ${reason}`);
}
