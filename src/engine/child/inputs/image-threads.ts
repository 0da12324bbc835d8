import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { InputError } from '../tensors/errors.js';
import type { RuntimeValue } from '../tensors/tensor.js';
import { type ImageOptions, type ReadImage, readImage } from './image-file.js';
import type { ImageAnswer, ImageJob } from './image-thread.js';

/** Maximum number of threads. Each takes some 15 MB, and the runtime needs processors, too. */
const MAX_THREADS = 4;
/** Time without an image after which the threads end, in ms. */
const IDLE_MILLISECONDS = 5000;

interface Waiting {
	readonly job: ImageJob;
	readonly resolve: (image: ReadImage | Promise<ReadImage>) => void;
	readonly reject: (error: Error) => void;
}

interface Thread {
	readonly worker: Worker;
	/** By the number of the job. */
	readonly waiting: Map<number, Waiting>;
}

/**
 * Reads images in threads, while the runtime keeps the main thread busy. A thread gets its jobs at once, since the main
 * thread may not answer for a while. Threads end when no image is wanted for some time.
 */
export class ImageThreads {
	readonly #script: string;
	readonly #size: number;
	#threads: Thread[] = [];
	#next = 0;
	#idle: NodeJS.Timeout | undefined;

	/** @param script path of the bundle of image-thread.ts @param size number of threads */
	constructor(script: string, size = Math.min(MAX_THREADS, availableParallelism())) {
		this.#script = script;
		this.#size = size;
	}

	/** Number of threads that run. */
	get running(): number {
		return this.#threads.length;
	}

	/** Reads an image as {@link readImage} does. @throws {InputError} */
	read(file: string, input: RuntimeValue, { dimensions, normalize, colors }: ImageOptions): Promise<ReadImage> {
		clearTimeout(this.#idle);
		const options = { ...(dimensions && { dimensions }), ...(normalize && { normalize }), ...(colors && { colors }) };
		const job = { id: this.#next++, file, input, options };
		const thread = this.#thread();
		return new Promise((resolve, reject) => {
			thread.waiting.set(job.id, { job, resolve, reject });
			// Keeps the process alive until the image is there.
			thread.worker.ref();
			thread.worker.postMessage(job);
		});
	}

	/** Ends the threads. Images that are wanted are read in the main thread. */
	close(): void {
		clearTimeout(this.#idle);
		for (const thread of this.#threads) {
			this.#lose(thread);
			void thread.worker.terminate();
		}
	}

	/** Returns the thread with the least to do. */
	#thread(): Thread {
		const [least] = this.#threads.toSorted((a, b) => a.waiting.size - b.waiting.size);
		if (least && (least.waiting.size === 0 || this.#threads.length === this.#size)) {
			return least;
		}
		const thread: Thread = { worker: new Worker(this.#script), waiting: new Map() };
		this.#threads.push(thread);
		thread.worker.on('message', (answer: ImageAnswer) => this.#answered(thread, answer));
		thread.worker.on('error', () => this.#lose(thread));
		thread.worker.on('exit', () => this.#lose(thread));
		return thread;
	}

	#answered({ waiting, worker }: Thread, answer: ImageAnswer): void {
		const asked = waiting.get(answer.id);
		waiting.delete(answer.id);
		if ('image' in answer) {
			asked?.resolve(answer.image);
		} else {
			asked?.reject(answer.isInputError ? new InputError(answer.message) : new Error(answer.message));
		}
		if (waiting.size === 0) {
			worker.unref();
		}
		if (this.#threads.every((thread) => thread.waiting.size === 0)) {
			this.#idle = setTimeout(() => this.close(), IDLE_MILLISECONDS).unref();
		}
	}

	/** Reads the images of a thread that has ended in the main thread. */
	#lose(thread: Thread): void {
		this.#threads = this.#threads.filter((other) => other !== thread);
		const left = [...thread.waiting.values()];
		thread.waiting.clear();
		for (const { job, resolve } of left) {
			resolve(readImage(job.file, job.input, job.options));
		}
	}
}
