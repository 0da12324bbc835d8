import type { Kernel } from '../../kernel/types.js';
import type { EngineEvent } from '../../protocol/host-engine.js';
import type { ImageThreads } from './inputs/image-threads.js';
import type { Runtime } from './runtime/runtime.js';

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;

/** An event of the task under way; the process adds the number of the request. */
export type TaskEvent = WithoutId<EngineEvent>;

/** What a task needs from the process that it runs in. */
export interface TaskPorts {
	/** Loads the runtime, just before a run: structure needs none. @throws {RuntimeError} */
	readonly runtime: () => Runtime;
	readonly kernel: () => Promise<Kernel>;
	/** Threads that read images; absent: the main thread reads them. */
	readonly threads?: ImageThreads;
	/** Sends an event to the parent process. */
	readonly emit: (event: TaskEvent) => void;
}
