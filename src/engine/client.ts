import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Comparison } from '../core/report/comparison.js';
import type { FoldResult } from '../core/report/fold-result.js';
import type { Report } from '../core/report/types.js';
import type {
	CompareOptions,
	EngineTask,
	EngineTasks,
	FoldOptions,
	InspectOptions,
	ModelLocation,
	TaskRequest,
} from '../protocol/host-engine.js';
import { EngineError } from './engine-error.js';
import { type EngineProgress, type ProcessOptions, type RequestHooks, RequestProcess } from './request-process.js';

export { EngineError, type EngineProgress, type RequestHooks };

export interface EngineClientOptions extends ProcessOptions {
	/** Requests worked on at the same time, each in a process of its own; the others wait. Default 2. */
	readonly concurrency?: number;
}

/** What the queue needs to know of a request, whatever its task. */
type Job = Pick<RequestProcess, 'start' | 'cancel'>;

/**
 * The parent's handle on the engine: runs each request in a child process of its own.
 *
 * A process a request, and not one long-lived process, because a native `run()` cannot be interrupted: cancelling is
 * killing, and must not take another model's request along. It also gives all memory back after every model, and no
 * request can see what an earlier one left behind. Starting one costs about 0.1 s, hidden by reading the structure.
 */
export class EngineClient {
	private readonly options: EngineClientOptions;
	private readonly waiting: Job[] = [];
	private readonly running = new Set<Job>();
	private lastId = 0;
	private disposed = false;

	constructor(options: EngineClientOptions) {
		this.options = options;
	}

	/**
	 * Inspects one model, end to end.
	 * @throws {EngineError} as a rejection, always: failed ("input", an OnnxErrorCode …), "crashed", or "cancelled"
	 * through `signal` or {@link dispose}. So do the other requests.
	 */
	inspect(model: ModelLocation, options: Omit<InspectOptions, 'temporary'>, hooks?: RequestHooks): Promise<Report> {
		const temporary = path.join(tmpdir(), `batchnorm-lens-${randomBytes(6).toString('hex')}.onnx`);
		return this.request({ type: 'inspect', id: this.nextId(), model, options: { ...options, temporary } }, hooks);
	}

	/** Says for every BatchNormalization of `original` whether its parameters arrived in `deployed`. */
	compare(
		models: { readonly original: ModelLocation; readonly deployed: ModelLocation },
		options: CompareOptions,
		hooks?: RequestHooks,
	): Promise<Comparison> {
		return this.request({ type: 'compare', id: this.nextId(), ...models, options }, hooks);
	}

	/** Writes the model with its BatchNormalization folded; nothing is left of what did not come out right. */
	async fold(model: ModelLocation, options: Omit<FoldOptions, 'temporary'>, hooks?: RequestHooks): Promise<FoldResult> {
		const { dir, base } = path.parse(options.output);
		// A process that is killed cannot clean up: this one knows the name, too.
		const temporary = path.join(dir, `.${base}.${randomBytes(6).toString('hex')}.part`);
		try {
			const task = { type: 'fold', id: this.nextId(), model, options: { ...options, temporary } } as const;
			return await this.request(task, hooks);
		} finally {
			await rm(temporary, { force: true, maxRetries: 5 });
		}
	}

	private nextId(): number {
		this.lastId += 1;
		return this.lastId;
	}

	private request<T extends EngineTask>(
		request: TaskRequest & { readonly type: T },
		hooks: RequestHooks = {},
	): Promise<EngineTasks[T]['result']> {
		const job = new RequestProcess<T>(request, hooks);
		if (this.disposed) {
			job.cancel();
			return job.result;
		}
		const abort = () => this.abort(job);
		hooks.signal?.addEventListener('abort', abort, { once: true });
		const settled = () => hooks.signal?.removeEventListener('abort', abort);
		job.result.then(settled, settled);
		if (hooks.signal?.aborted) {
			job.cancel();
		} else {
			this.waiting.push(job);
			this.startNext();
		}
		return job.result;
	}

	/** Rejects all requests as cancelled and ends their processes. */
	dispose(): void {
		this.disposed = true;
		for (const job of [...this.waiting.splice(0), ...this.running]) {
			job.cancel();
		}
	}

	private abort(job: Job): void {
		const index = this.waiting.indexOf(job);
		if (index >= 0) {
			this.waiting.splice(index, 1);
		}
		job.cancel();
	}

	private startNext(): void {
		while (this.running.size < (this.options.concurrency ?? 2)) {
			const job = this.waiting.shift();
			if (!job) {
				return;
			}
			this.running.add(job);
			job.start(this.options, () => {
				this.running.delete(job);
				this.startNext();
			});
		}
	}
}
