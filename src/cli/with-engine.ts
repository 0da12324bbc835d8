import path from 'node:path';
import { count } from '../core/text/sentences.js';
import { EngineClient, EngineError, type EngineProgress, type RequestHooks } from '../engine/client.js';
import { interruptible } from './interrupt.js';
import { terminalProgress } from './progress.js';
import type { TimeLimit } from './run-options.js';

export interface WorkOptions extends TimeLimit {
	/** Is called with each event of the work. */
	readonly onEvent?: (event: EngineProgress) => void;
}

/**
 * Runs work with an engine that shows its progress on a terminal and ends with the process.
 * @throws {EngineError} "timeout" if the work takes longer than it may
 * @throws {InterruptedError} after the engine has ended and its files are removed, if a signal came
 */
export async function withEngine<T>(
	work: (engine: EngineClient, hooks: RequestHooks) => Promise<T>,
	{ onEvent, ...limit }: WorkOptions = {},
): Promise<T> {
	const progress = terminalProgress(process.stderr);
	const engine = new EngineClient({ entry: path.join(__dirname, 'engine', 'main.js') });
	try {
		const follow = (event: EngineProgress) => {
			onEvent?.(event);
			progress.show(event);
		};
		return await interruptible((signal) =>
			withTimeLimit((hooks) => work(engine, hooks), { signal, onEvent: follow }, limit),
		);
	} finally {
		progress.clear();
		engine.dispose();
	}
}

/**
 * Runs work that its hooks end, or the end of its time.
 * @throws {EngineError} "timeout" if the work takes longer than it may
 */
export async function withTimeLimit<T>(
	work: (hooks: RequestHooks) => Promise<T>,
	hooks: RequestHooks,
	{ timeout }: TimeLimit,
): Promise<T> {
	if (timeout === undefined) {
		return work(hooks);
	}
	const limit = AbortSignal.timeout(timeout * 1000);
	try {
		return await work({ ...hooks, signal: hooks.signal ? AbortSignal.any([hooks.signal, limit]) : limit });
	} catch (error) {
		throw limit.aborted && error instanceof EngineError && error.code === 'cancelled'
			? new EngineError('timeout', `Stopped after ${count(timeout, 'second')}, the limit of --timeout.`)
			: error;
	}
}
