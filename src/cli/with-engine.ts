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
	{ onEvent, timeout }: WorkOptions = {},
): Promise<T> {
	const progress = terminalProgress(process.stderr);
	const engine = new EngineClient({ entry: path.join(__dirname, 'engine', 'main.js') });
	const limit = timeout === undefined ? undefined : AbortSignal.timeout(timeout * 1000);
	try {
		const follow = (event: EngineProgress) => {
			onEvent?.(event);
			progress.show(event);
		};
		return await interruptible((signal) =>
			work(engine, { signal: limit ? AbortSignal.any([signal, limit]) : signal, onEvent: follow }),
		);
	} catch (error) {
		throw limit?.aborted && error instanceof EngineError && error.code === 'cancelled'
			? new EngineError(
					'timeout',
					`The command was stopped after ${count(timeout ?? 0, 'second')}, the limit of --timeout.`,
				)
			: error;
	} finally {
		progress.clear();
		engine.dispose();
	}
}
