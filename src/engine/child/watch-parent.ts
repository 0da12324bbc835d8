import path from 'node:path';
import { Worker } from 'node:worker_threads';

/** Handle on the thread of parent-watch.ts. */
export interface ParentWatch {
	/** Path that the thread removes before it ends this process. */
	readonly setTemporary: (file: string | undefined) => void;
}

/** The thread needs a few megabytes; a smaller heap leaves the memory to models. */
const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2 };

/**
 * Starts the thread that ends this process after its parent.
 * @param parent process id of the parent, if it is known
 */
export function watchParent(parent: number | undefined): ParentWatch {
	const thread = new Worker(path.join(__dirname, 'parent-watch.js'), {
		workerData: { parent },
		resourceLimits: RESOURCE_LIMITS,
	});
	// Without the thread, only an engine that is blocked in a run outlives its parent.
	thread.on('error', (error) => process.stderr.write(`the parent is not watched: ${error.message}\n`));
	thread.unref();
	return { setTemporary: (file) => thread.postMessage(file) };
}
