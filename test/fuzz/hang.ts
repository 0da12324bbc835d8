import { Worker } from 'node:worker_threads';

/** Signal of a process that took too much processor time for one mutation. */
export const HANG_SIGNAL = 'SIGXCPU';

/** Progress of a fuzzing worker, in memory that its watchdog shares. */
export interface WatchedProgress {
	/** One element: the index of the mutation under way. */
	readonly index: Int32Array;
	/** Limit for one mutation, in ms of processor time of all threads. */
	readonly milliseconds: number;
}

/** The thread needs a few megabytes; a smaller heap leaves the memory to mutations. */
const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2 };

/** Starts the thread that ends this process in a hang. Returns a function to call with the index of each mutation. */
export function watchHangs(milliseconds: number): (index: number) => void {
	const index = new Int32Array(new SharedArrayBuffer(4));
	const workerData: WatchedProgress = { index, milliseconds };
	new Worker(new URL('./watchdog.mjs', import.meta.url), { workerData, resourceLimits: RESOURCE_LIMITS }).unref();
	return (current) => {
		Atomics.store(index, 0, current);
	};
}
