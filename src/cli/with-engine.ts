import path from 'node:path';
import { EngineClient, type RequestHooks } from '../engine/client.js';
import { terminalProgress } from './progress.js';

/**
 * Signals of Ctrl+C, `kill`, a CI system's time limit, and a closing terminal. Each of them must remove half-written
 * files.
 */
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Runs work with an engine that shows its progress on a terminal and ends with the process. */
export async function withEngine<T>(work: (engine: EngineClient, hooks: RequestHooks) => Promise<T>): Promise<T> {
	const progress = terminalProgress(process.stderr);
	const engine = new EngineClient({ entry: path.join(__dirname, 'engine', 'main.js') });
	const abort = new AbortController();
	const interrupt = () => abort.abort();
	for (const signal of ENDING) {
		process.once(signal, interrupt);
	}
	try {
		return await work(engine, { signal: abort.signal, onEvent: progress.show });
	} finally {
		progress.clear();
		for (const signal of ENDING) {
			process.off(signal, interrupt);
		}
		engine.dispose();
	}
}
