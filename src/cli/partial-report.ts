import type { Report } from '../core/report/types.js';
import { applyEvent, endRun, interruptedRun } from '../core/report/update.js';
import { EngineError, type EngineProgress } from '../engine/client.js';

/** Codes of errors that leave the results up to them. */
const ENDED: ReadonlySet<string> = new Set(['crashed', 'timeout']);

/** Collects the results of an inspection, because a crash or a time limit may end it. */
export class PartialReport {
	#known: Report | undefined;

	add(event: EngineProgress): void {
		if (event.type !== 'progress') {
			this.#known = applyEvent(this.#known, event);
		}
	}

	/** Returns the results up to an error that ended the engine; undefined for other errors, or if there are none. */
	before(error: unknown): Report | undefined {
		const known = this.#known;
		if (!known || !(error instanceof EngineError) || !ENDED.has(error.code)) {
			return undefined;
		}
		const run = interruptedRun(known.run, { status: 'failed', reason: error.message, failedAt: 'model' });
		return endRun(known, run, 'Not checked: the run failed.');
	}
}
