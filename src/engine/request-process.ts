import type { ChildProcess } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { capitalize, messageOf } from '../core/text/sentences.js';
import type { EngineEvent, EngineRequest, EngineTask, EngineTasks } from '../protocol/host-engine.js';
import { EngineError } from './engine-error.js';
import { explainExit, explainStart } from './exit.js';
import { needsLeanMemory, type Program, startProcess } from './start-process.js';

export interface ProcessOptions extends Program {
	/** Receives each line that the engine and its native runtime print, and the client's own remarks. */
	readonly onLog?: (line: string) => void;
}

/** Events before a request settles. */
export type EngineProgress = Exclude<EngineEvent, { type: 'result' | 'failure' }>;

export interface RequestHooks {
	readonly signal?: AbortSignal;
	readonly onEvent?: (event: EngineProgress) => void;
}

/** Time that a disconnected process gets to end by itself, in ms. Its exit code explains the reason better. */
const EXIT_MILLISECONDS = 1000;

type Result<T extends EngineTask> = EngineTasks[T]['result'];
type Outcome<T extends EngineTask> = { readonly result: Result<T> } | { readonly error: EngineError };

/** Verb of each task: "The engine stopped while inspecting a.onnx". */
const DOING: Readonly<Record<EngineTask, string>> = {
	inspect: 'inspecting',
	compare: 'comparing',
	fold: 'folding',
	repair: 'repairing',
	reestimate: 're-estimating',
};

/** One request and its process. */
export class RequestProcess<T extends EngineTask = EngineTask> {
	/** @throws {EngineError} every rejection. */
	readonly result: Promise<Result<T>>;
	readonly #request: EngineRequest;
	readonly #hooks: RequestHooks;
	readonly #subject: string;
	#settle: (outcome: Outcome<T>) => void = () => {};
	#child: ChildProcess | undefined;
	#log: (line: string) => void = () => {};
	#settled = false;

	constructor(request: EngineRequest & { readonly type: T }, hooks: RequestHooks) {
		this.#request = request;
		this.#hooks = hooks;
		this.#subject = subjectOf(request);
		this.result = new Promise((resolve, reject) => {
			this.#settle = (outcome) => ('result' in outcome ? resolve(outcome.result) : reject(outcome.error));
		});
	}

	/**
	 * @param ended called once, after the process has ended
	 * @param takeSpare returns a process that was started ahead, if there is one
	 */
	start(options: ProcessOptions, ended: () => void, takeSpare: () => ChildProcess | undefined): void {
		this.#log = options.onLog ?? this.#log;
		try {
			const isLean = needsLeanMemory(this.#request);
			const child = (isLean ? undefined : takeSpare()) ?? startProcess(options, isLean);
			this.#child = child;
			this.#listen(child, ended);
			// Without a pid no process started. Such a child has no channel, and its "error" event settles the request.
			if (child.pid !== undefined) {
				// After a failed send the process ends, which settles the request.
				child.send(this.#request, () => {});
			}
		} catch (error) {
			this.#fail('internal', notStarted(this.#subject, error));
			// `fail` has killed a started process, whose exit calls `ended`.
			if (!this.#child) {
				queueMicrotask(ended);
			}
		}
	}

	cancel(): void {
		this.#fail('cancelled', `${capitalize(DOING[this.#request.type])} ${this.#subject} was cancelled.`);
	}

	#listen(child: ChildProcess, ended: () => void): void {
		const doing = `${DOING[this.#request.type]} ${this.#subject}`;
		for (const stream of [child.stdout, child.stderr]) {
			forEachLine(stream, this.#log);
		}
		child.on('message', (value) => this.#receive(value));
		child.once('exit', (code, signal) => {
			const finish = () => {
				this.#fail('crashed', `The engine stopped while ${doing}: ${explainExit({ code, signal })}.`);
				// A killed process cannot remove its own file.
				removeTemporary(this.#request, this.#log).finally(ended);
			};
			// Messages may still be in the pipe after the exit; "disconnect" follows the last message.
			if (child.connected) {
				child.once('disconnect', finish);
			} else {
				finish();
			}
		});
		child.once('disconnect', () => {
			const text = `The engine stopped answering while ${doing}.`;
			setTimeout(() => this.#fail('crashed', text), EXIT_MILLISECONDS).unref();
		});
		child.on('error', (error) => {
			// Without a pid no process started, and no "exit" follows.
			if (child.pid === undefined) {
				this.#fail('crashed', notStarted(this.#subject, error));
				ended();
			} else {
				this.#log(`engine process ${child.pid}: ${error.message}`);
			}
		});
	}

	#receive(value: unknown): void {
		if (this.#settled) {
			return;
		}
		const event = asEvent(value, this.#request.id);
		if (!event) {
			this.#log(`engine process ${this.#child?.pid}: ignored a message that is not part of the protocol`);
		} else if (event.type === 'result') {
			// The process runs only this task, so its result has the type of this task.
			this.#finish({ result: event.result as Result<T> });
		} else if (event.type === 'failure') {
			this.#fail(event.failure.code, event.failure.message);
		} else {
			this.#notify(event);
		}
	}

	#notify(event: EngineProgress): void {
		try {
			this.#hooks.onEvent?.(event);
		} catch (error) {
			this.#fail('internal', `The progress of ${this.#subject} could not be shown: ${messageOf(error)}`);
		}
	}

	#fail(code: string, text: string): void {
		this.#finish({ error: new EngineError(code, text) });
	}

	/** Settles the request once and kills its process. */
	#finish(outcome: Outcome<T>): void {
		if (this.#settled) {
			return;
		}
		this.#settled = true;
		this.#settle(outcome);
		// Without a pid no process started: Node would send the signal to process 0, which is this process's own group.
		if (this.#child?.pid !== undefined) {
			this.#child.kill('SIGKILL');
		}
	}
}

/** Returns the sentence about a process that did not start. */
function notStarted(subject: string, error: unknown): string {
	return `The engine could not be started for ${subject}: ${explainStart(error)}.`;
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

/** Parses an event. Libraries in the engine may write to the channel; the engine itself is trusted code. */
function asEvent(value: unknown, id: number): EngineEvent | undefined {
	const event = value as Partial<EngineEvent> | null | undefined;
	const known = typeof event?.type === 'string' && Object.hasOwn(EVENT_TYPES, event.type) && event.id === id;
	if (!known) {
		return undefined;
	}
	const complete = event.type === 'result' ? event.result : event.type === 'failure' ? event.failure : event;
	return complete ? (event as EngineEvent) : undefined;
}

async function removeTemporary({ options }: EngineRequest, log: (line: string) => void): Promise<void> {
	const file = 'temporary' in options ? options.temporary : undefined;
	if (file !== undefined) {
		await rm(file, { recursive: true, force: true, maxRetries: 5 }).catch((error) =>
			log(`${file} could not be removed: ${messageOf(error)}`),
		);
	}
}

function subjectOf(request: EngineRequest): string {
	return request.type === 'compare' ? `${request.original.path} with ${request.deployed.path}` : request.model.path;
}
