import path from 'node:path';
import { EngineClient, type RequestHooks } from '../engine/client.js';
import { terminalProgress } from './progress.js';

/** Gives the work an engine that shows its progress on a terminal and ends with Ctrl+C. */
export async function withEngine<T>(work: (engine: EngineClient, hooks: RequestHooks) => Promise<T>): Promise<T> {
	const progress = terminalProgress(process.stderr);
	const engine = new EngineClient({ entry: path.join(__dirname, 'engine', 'main.js') });
	const abort = new AbortController();
	const interrupt = () => abort.abort();
	process.once('SIGINT', interrupt);
	try {
		return await work(engine, { signal: abort.signal, onEvent: progress.show });
	} finally {
		progress.clear();
		process.off('SIGINT', interrupt);
		engine.dispose();
	}
}
