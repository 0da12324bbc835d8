import { rmSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';

/**
 * Thread that ends the engine's process after its parent has ended. A native run() of an endless loop blocks the main
 * thread, which then never sees that the channel to its parent was closed.
 */

/** Time between checks, in ms: the longest life of an orphan. */
const CHECK_MILLISECONDS = 250;

const { parent } = workerData as { readonly parent: number | undefined };
const firstParent = process.ppid;

/** File or folder that the request under way writes to before its result is complete. */
let temporary: string | undefined;

parentPort?.on('message', (file: string | undefined) => {
	temporary = file;
});

setInterval(() => {
	if (isLost()) {
		if (temporary !== undefined) {
			rmSync(temporary, { recursive: true, force: true });
		}
		process.kill(process.pid, 'SIGKILL');
	}
}, CHECK_MILLISECONDS);

/** Unix gives an orphan another parent. Windows keeps the id of the parent that has ended. */
function isLost(): boolean {
	return process.ppid !== firstParent || !(isAlive(firstParent) && (parent === undefined || isAlive(parent)));
}

function isAlive(pid: number): boolean {
	try {
		return process.kill(pid, 0);
	} catch (error) {
		// A process of another user exists, too.
		return error instanceof Error && 'code' in error && error.code === 'EPERM';
	}
}
