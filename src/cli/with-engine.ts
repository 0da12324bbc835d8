import path from 'node:path';
import { EngineClient, type EngineProgress, type RequestHooks } from '../engine/client.js';
import { interruptible } from './interrupt.js';
import { terminalProgress } from './progress.js';

/**
 * Runs work with an engine that shows its progress on a terminal and ends with the process.
 * @param onEvent is called with each event of the work
 * @throws {InterruptedError} after the engine has ended and its files are removed, if a signal came
 */
export async function withEngine<T>(
	work: (engine: EngineClient, hooks: RequestHooks) => Promise<T>,
	onEvent?: (event: EngineProgress) => void,
): Promise<T> {
	const progress = terminalProgress(process.stderr);
	const engine = new EngineClient({ entry: path.join(__dirname, 'engine', 'main.js') });
	try {
		const follow = (event: EngineProgress) => {
			onEvent?.(event);
			progress.show(event);
		};
		return await interruptible((signal) => work(engine, { signal, onEvent: follow }));
	} finally {
		progress.clear();
		engine.dispose();
	}
}
