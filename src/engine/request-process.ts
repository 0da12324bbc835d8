import { type ChildProcess, fork } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { capitalize, messageOf } from '../core/text/sentences.js';
import type { EngineEvent, EngineRequest, EngineTask, EngineTasks, TaskRequest } from '../protocol/host-engine.js';
import { EngineError } from './engine-error.js';
import { explainExit } from './exit.js';

export interface ProcessOptions {
	/** Absolute path of the engine's bundle, dist/engine/main.js. */
	readonly entry: string;
	/** Receives, line by line, what the engine and its native runtime print, and what the client notices. */
	readonly onLog?: (line: string) => void;
	/** Program that runs `entry`; default: the one that runs the parent. */
	readonly execPath?: string;
}

/** What arrives before a request is settled; `result` and `failure` become its outcome. */
export type EngineProgress = Exclude<EngineEvent, { type: 'result' | 'failure' }>;

export interface RequestHooks {
	readonly signal?: AbortSignal;
	readonly onEvent?: (event: EngineProgress) => void;
}

/** How long a process that can no longer answer may take to end by itself, which tells more about the reason. */
const EXIT_MILLISECONDS = 1000;

type Result<T extends EngineTask> = EngineTasks[T]['result'];
type Outcome<T extends EngineTask> = { readonly result: Result<T> } | { readonly error: EngineError };

/** How a task is told of: "The engine stopped while inspecting a.onnx". */
const DOING: Readonly<Record<EngineTask, string>> = {
	inspect: 'inspecting',
	compare: 'comparing',
	fold: 'folding',
};

/** One request and the process that works on it. */
export class RequestProcess<T extends EngineTask = EngineTask> {
	/** @throws {EngineError} as a rejection, whatever went wrong. */
	readonly result: Promise<Result<T>>;
	private readonly request: TaskRequest;
	private readonly hooks: RequestHooks;
	private readonly subject: string;
	private settle: (outcome: Outcome<T>) => void = () => {};
	private child: ChildProcess | undefined;
	private log: (line: string) => void = () => {};
	private settled = false;

	constructor(request: TaskRequest & { readonly type: T }, hooks: RequestHooks) {
		this.request = request;
		this.hooks = hooks;
		this.subject = subjectOf(request);
		this.result = new Promise((resolve, reject) => {
			this.settle = (outcome) => ('result' in outcome ? resolve(outcome.result) : reject(outcome.error));
		});
	}

	/** @param ended is called once, when the process is gone. */
	start(options: ProcessOptions, ended: () => void): void {
		this.log = options.onLog ?? this.log;
		try {
			const child = startProcess(options, this.request);
			this.child = child;
			this.listen(child, ended);
			// A send that fails is followed by the process's end, which settles the request.
			child.send(this.request satisfies EngineRequest, () => {});
		} catch (error) {
			this.fail('internal', `The engine could not be started for ${this.subject}: ${messageOf(error)}`);
			// A process that was started has been killed by `fail` and reports its end itself.
			if (!this.child) {
				queueMicrotask(ended);
			}
		}
	}

	cancel(): void {
		this.fail('cancelled', `${capitalize(DOING[this.request.type])} ${this.subject} was cancelled.`);
	}

	private listen(child: ChildProcess, ended: () => void): void {
		const doing = `${DOING[this.request.type]} ${this.subject}`;
		for (const stream of [child.stdout, child.stderr]) {
			forEachLine(stream, this.log);
		}
		child.on('message', (value) => this.receive(value));
		child.once('exit', (code, signal) => {
			const finish = () => {
				this.fail('crashed', `The engine stopped while ${doing}: ${explainExit({ code, signal })}.`);
				// A process that is killed cannot clean up.
				removeTemporary(this.request, this.log).finally(ended);
			};
			// Messages may still be in the pipe when the process is gone: "disconnect" comes after the last of them.
			if (child.connected) {
				child.once('disconnect', finish);
			} else {
				finish();
			}
		});
		child.once('disconnect', () => {
			const text = `The engine stopped answering while ${doing}.`;
			setTimeout(() => this.fail('crashed', text), EXIT_MILLISECONDS).unref();
		});
		child.on('error', (error) => {
			// Without a pid nothing was started, and no "exit" will come.
			if (child.pid === undefined) {
				this.fail('crashed', `The engine could not be started for ${this.subject}: ${error.message}`);
				ended();
			} else {
				this.log(`engine process ${child.pid}: ${error.message}`);
			}
		});
	}

	private receive(value: unknown): void {
		if (this.settled) {
			return;
		}
		const event = asEvent(value, this.request.id);
		if (!event) {
			this.log(`engine process ${this.child?.pid}: ignored a message that is not part of the protocol`);
		} else if (event.type === 'result') {
			// The process was started for this one task: what it answers is that task's result.
			this.finish({ result: event.result as Result<T> });
		} else if (event.type === 'failure') {
			this.fail(event.failure.code, event.failure.message);
		} else {
			this.notify(event);
		}
	}

	private notify(event: EngineProgress): void {
		try {
			this.hooks.onEvent?.(event);
		} catch (error) {
			this.fail('internal', `The progress of ${this.subject} could not be shown: ${messageOf(error)}`);
		}
	}

	private fail(code: string, text: string): void {
		this.finish({ error: new EngineError(code, text) });
	}

	/** Settles the request once and ends the process: it holds nothing that outlives its one request. */
	private finish(outcome: Outcome<T>): void {
		if (this.settled) {
			return;
		}
		this.settled = true;
		this.settle(outcome);
		this.child?.kill('SIGKILL');
	}
}

/**
 * Keeps glibc from holding on to large blocks that were freed, which it does for speed: a budget that somebody chose is
 * to be kept, and 25 % of a small one is soon gone that way. Loading a 100 MB model takes a quarter longer so.
 */
const LEAN_MEMORY = { MALLOC_MMAP_THRESHOLD_: String(4 * 2 ** 20), MALLOC_TRIM_THRESHOLD_: String(32 * 2 ** 20) };

/**
 * Otherwise glibc keeps up to 256 MiB of what was freed for later blocks, in place of mapping each large one anew:
 * making fresh pages takes a good part of the time that loading and running a model does.
 */
const FAST_MEMORY = { MALLOC_MMAP_THRESHOLD_: String(32 * 2 ** 20), MALLOC_TRIM_THRESHOLD_: String(256 * 2 ** 20) };

function startProcess({ entry, execPath }: ProcessOptions, { options }: TaskRequest): ChildProcess {
	const isLean = 'memoryBudget' in options && options.memoryBudget !== undefined;
	const env: NodeJS.ProcessEnv = {
		...process.env,
		// The extension host's program is Electron on a desktop.
		ELECTRON_RUN_AS_NODE: '1',
		ELECTRON_NO_ASAR: '1',
		// Has to be in the environment before the native library is loaded; nothing else switches its telemetry off.
		ORT_DISABLE_TELEMETRY: '1',
		...(isLean ? LEAN_MEMORY : FAST_MEMORY),
	};
	// Options meant for the parent (an inspector's port, a loader) would break or slow the child.
	delete env.NODE_OPTIONS;
	return fork(entry, [], {
		env,
		execArgv: [],
		// Typed arrays arrive as typed arrays, and about 14 times faster than as JSON.
		serialization: 'advanced',
		stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
		...(execPath === undefined ? {} : { execPath }),
	});
}

function forEachLine(stream: Readable | null, consume: (line: string) => void): void {
	if (stream) {
		createInterface({ input: stream }).on('line', consume);
	}
}

const EVENT_TYPES: Readonly<Record<EngineEvent['type'], true>> = {
	progress: true,
	structure: true,
	layer: true,
	run: true,
	result: true,
	failure: true,
};

/** The engine is our own code: this guards against libraries that write to the channel, not against an attacker. */
function asEvent(value: unknown, id: number): EngineEvent | undefined {
	const event = value as Partial<EngineEvent> | null | undefined;
	const known = typeof event?.type === 'string' && Object.hasOwn(EVENT_TYPES, event.type) && event.id === id;
	if (!known) {
		return undefined;
	}
	const complete = event.type === 'result' ? event.result : event.type === 'failure' ? event.failure : event;
	return complete ? (event as EngineEvent) : undefined;
}

async function removeTemporary({ options }: TaskRequest, log: (line: string) => void): Promise<void> {
	const file = 'temporary' in options ? options.temporary : undefined;
	if (file !== undefined) {
		await rm(file, { force: true, maxRetries: 5 }).catch((error) =>
			log(`${file} could not be removed: ${messageOf(error)}`),
		);
	}
}

function subjectOf(request: TaskRequest): string {
	return request.type === 'compare' ? `${request.original.path} with ${request.deployed.path}` : request.model.path;
}
