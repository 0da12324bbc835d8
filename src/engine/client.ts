import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Comparison } from '../core/report/comparison/comparison.js';
import type { FoldResult } from '../core/report/fold-result.js';
import type { ReestimationResult } from '../core/report/reestimation.js';
import type { RepairResult } from '../core/report/repair-result.js';
import type { Report } from '../core/report/types.js';
import type {
	CompareOptions,
	EngineRequest,
	EngineTask,
	EngineTasks,
	FoldOptions,
	InspectOptions,
	ModelLocation,
	ReestimateOptions,
	RepairOptions,
} from '../protocol/host-engine.js';
import { EngineError } from './engine-error.js';
import { type EngineProgress, type ProcessOptions, type RequestHooks, RequestProcess } from './request-process.js';
import { SpareProcess } from './spare-process.js';

export { EngineError, type EngineProgress, type RequestHooks };

export interface EngineClientOptions extends ProcessOptions {
	/** Maximum number of requests that run at the same time, each in its own process. Default 2. */
	readonly concurrency?: number;
}

/** Part of a request that the queue uses. */
type Job = Pick<RequestProcess, 'start' | 'cancel'>;

/**
 * The parent's handle on the engine. Runs each request in its own child process.
 *
 * One process per request, because a native `run()` cannot be interrupted. Canceling kills the process, which must not
 * end another model's request. The system also gets all memory back after every model, and no request sees state of an
 * earlier one. {@link prepare} hides the time that starting a process takes.
 */
export class EngineClient {
	readonly #options: EngineClientOptions;
	readonly #waiting: Job[] = [];
	readonly #running = new Set<Job>();
	#spare: SpareProcess | undefined;
	#lastId = 0;
	#disposed = false;

	constructor(options: EngineClientOptions) {
		this.#options = options;
	}

	/**
	 * Starts a process for the next request that has no memory budget. It ends by itself if no request comes within
	 * minutes.
	 */
	prepare(): void {
		if (!this.#disposed) {
			this.#spare?.end();
			this.#spare = new SpareProcess(this.#options);
		}
	}

	/**
	 * Inspects one model, end to end.
	 * @throws {EngineError} every rejection, here and in the other requests: a failure ("input", an OnnxErrorCode …),
	 * "crashed", or "cancelled" through `signal` or {@link dispose}.
	 */
	inspect(model: ModelLocation, options: Omit<InspectOptions, 'temporary'>, hooks?: RequestHooks): Promise<Report> {
		const temporary = path.join(tmpdir(), `batchnorm-lens-${randomBytes(6).toString('hex')}.onnx`);
		return this.#request({ type: 'inspect', id: this.#nextId(), model, options: { ...options, temporary } }, hooks);
	}

	/** Judges for every BatchNormalization of `original` whether `deployed` contains its parameters. */
	compare(
		models: { readonly original: ModelLocation; readonly deployed: ModelLocation },
		options: CompareOptions,
		hooks?: RequestHooks,
	): Promise<Comparison> {
		return this.#request({ type: 'compare', id: this.#nextId(), ...models, options }, hooks);
	}

	/** Writes the folded model. A failed fold leaves no file behind. */
	fold(model: ModelLocation, options: Omit<FoldOptions, 'temporary'>, hooks?: RequestHooks): Promise<FoldResult> {
		return withTemporary(options.output, (temporary) =>
			this.#request({ type: 'fold', id: this.#nextId(), model, options: { ...options, temporary } }, hooks),
		);
	}

	/**
	 * Writes the model with its folds corrected after `original`, or without that switched to inference. A failed repair
	 * leaves no file behind.
	 */
	repair(
		models: { readonly model: ModelLocation; readonly original?: ModelLocation },
		options: Omit<RepairOptions, 'temporary'>,
		hooks?: RequestHooks,
	): Promise<RepairResult> {
		return withTemporary(options.output, (temporary) =>
			this.#request({ type: 'repair', id: this.#nextId(), ...models, options: { ...options, temporary } }, hooks),
		);
	}

	/**
	 * Computes the population statistics of a model's layers from data and, with an output, writes them into a copy of the
	 * model. A failure leaves no file behind.
	 */
	reestimate(
		model: ModelLocation,
		options: Omit<ReestimateOptions, 'temporary'>,
		hooks?: RequestHooks,
	): Promise<ReestimationResult> {
		return withTemporary(options.output ?? path.join(tmpdir(), 'batchnorm-lens'), (temporary) =>
			this.#request({ type: 'reestimate', id: this.#nextId(), model, options: { ...options, temporary } }, hooks),
		);
	}

	#nextId(): number {
		this.#lastId += 1;
		return this.#lastId;
	}

	#request<T extends EngineTask>(
		request: EngineRequest & { readonly type: T },
		hooks: RequestHooks = {},
	): Promise<EngineTasks[T]['result']> {
		const job = new RequestProcess<T>(request, hooks);
		if (this.#disposed) {
			job.cancel();
			return job.result;
		}
		const abort = () => this.#abort(job);
		hooks.signal?.addEventListener('abort', abort, { once: true });
		const settled = () => hooks.signal?.removeEventListener('abort', abort);
		job.result.then(settled, settled);
		if (hooks.signal?.aborted) {
			job.cancel();
		} else {
			this.#waiting.push(job);
			this.#startNext();
		}
		return job.result;
	}

	/** Rejects all requests as cancelled and ends their processes. */
	dispose(): void {
		this.#disposed = true;
		this.#spare?.end();
		for (const job of [...this.#waiting.splice(0), ...this.#running]) {
			job.cancel();
		}
	}

	#abort(job: Job): void {
		const index = this.#waiting.indexOf(job);
		if (index >= 0) {
			this.#waiting.splice(index, 1);
		}
		job.cancel();
	}

	#startNext(): void {
		while (this.#running.size < (this.#options.concurrency ?? 2)) {
			const job = this.#waiting.shift();
			if (!job) {
				return;
			}
			this.#running.add(job);
			const ended = () => {
				this.#running.delete(job);
				this.#startNext();
			};
			job.start(this.#options, ended, () => this.#takeSpare());
		}
	}

	#takeSpare(): ChildProcess | undefined {
		const child = this.#spare?.take();
		this.#spare = undefined;
		return child;
	}
}

/** Passes the name of a folder for unfinished files beside `output`, and removes it after the work. */
async function withTemporary<T>(output: string, work: (temporary: string) => Promise<T>): Promise<T> {
	const { dir, base } = path.parse(output);
	// A killed process cannot remove its file; this process does.
	const temporary = path.join(dir, `.${base}.${randomBytes(6).toString('hex')}.part`);
	try {
		return await work(temporary);
	} finally {
		await rm(temporary, { recursive: true, force: true, maxRetries: 5 });
	}
}
