import { constants } from 'node:os';

/**
 * Signals of Ctrl+C, `kill`, a CI system's time limit, and a closing terminal. Half-written files must be removed on
 * all of them.
 */
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** A signal ended the command. The message is a sentence. */
export class InterruptedError extends Error {
	override readonly name = 'InterruptedError';
	/** 128 plus the signal's number, as shells report it. */
	readonly exitCode: number;

	constructor(signal: (typeof ENDING)[number]) {
		super(`The command was ended by ${signal}.`);
		this.exitCode = 128 + constants.signals[signal];
	}
}

/**
 * Runs work that the first ending signal aborts. A second signal ends the process at once.
 * @throws {InterruptedError} after the work has ended, if a signal came
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
	const abort = new AbortController();
	let interrupted: InterruptedError | undefined;
	const interrupt = (signal: (typeof ENDING)[number]) => {
		interrupted ??= new InterruptedError(signal);
		abort.abort(interrupted);
	};
	for (const signal of ENDING) {
		process.once(signal, interrupt);
	}
	try {
		const result = await work(abort.signal);
		if (interrupted === undefined) {
			return result;
		}
	} catch (error) {
		if (interrupted === undefined) {
			throw error;
		}
	} finally {
		for (const signal of ENDING) {
			process.off(signal, interrupt);
		}
	}
	throw interrupted;
}
