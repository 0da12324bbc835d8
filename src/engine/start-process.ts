import { type ChildProcess, fork } from 'node:child_process';
import type { EngineRequest } from '../protocol/host-engine.js';

export interface Program {
	/** Absolute path of the engine's bundle, dist/engine/main.js. */
	readonly entry: string;
	/** Program that runs `entry`. Default: the parent's program. */
	readonly execPath?: string;
}

/**
 * Makes glibc return large freed blocks to the system, for requests with a memory budget. Kept blocks would exceed a
 * small budget by 25 %. Loading a 100 MB model takes a quarter longer with this setting.
 */
const LEAN_MEMORY = { MALLOC_MMAP_THRESHOLD_: String(4 * 2 ** 20), MALLOC_TRIM_THRESHOLD_: String(32 * 2 ** 20) };

/**
 * Makes glibc keep up to 256 MiB of freed memory for later blocks, instead of mapping each large block anew. Creating
 * fresh pages takes a large share of the time to load and run a model.
 */
const FAST_MEMORY = { MALLOC_MMAP_THRESHOLD_: String(32 * 2 ** 20), MALLOC_TRIM_THRESHOLD_: String(256 * 2 ** 20) };

/** Returns true for a request that must keep a memory budget. */
export function needsLeanMemory({ options }: EngineRequest): boolean {
	return 'memoryBudget' in options && options.memoryBudget !== undefined;
}

/** Starts an engine. @throws {Error} if the system refuses at once; a later refusal is the event "error" */
export function startProcess({ entry, execPath }: Program, isLean: boolean): ChildProcess {
	const env: NodeJS.ProcessEnv = {
		...process.env,
		// The extension host's program is Electron on a desktop.
		ELECTRON_RUN_AS_NODE: '1',
		ELECTRON_NO_ASAR: '1',
		// The native library reads it when it is loaded. There is no other switch for its telemetry.
		ORT_DISABLE_TELEMETRY: '1',
		...(isLean ? LEAN_MEMORY : FAST_MEMORY),
	};
	// The parent's options (inspector port, loader) would break the child.
	delete env.NODE_OPTIONS;
	return fork(entry, [String(process.pid)], {
		env,
		execArgv: [],
		// Keeps typed arrays, and sends them about 14 times faster than JSON.
		serialization: 'advanced',
		stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
		...(execPath === undefined ? {} : { execPath }),
	});
}
