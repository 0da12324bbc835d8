import type { ChildProcess } from 'node:child_process';
import type { WarmUp } from '../protocol/host-engine.js';
import { type Program, startProcess } from './start-process.js';

/** Time after which an unused process ends, in ms. It holds about 100 MB. */
const LIFETIME = 5 * 60_000;

/**
 * An engine process that is started and warmed up before there is a request. Starting takes 0.1 s, and the first run of
 * a process 0.2 s longer than a second, because the runtime and all code have to be loaded and compiled.
 */
export class SpareProcess {
	#child: ChildProcess | undefined;
	readonly #timer: NodeJS.Timeout;

	/** @param lifetime time after which it ends if it was not taken, in ms */
	constructor(program: Program, lifetime = LIFETIME) {
		this.#timer = setTimeout(() => this.end(), lifetime).unref();
		try {
			const child = startProcess(program, false);
			this.#child = child;
			const lost = () => this.#release();
			child.once('exit', lost);
			child.on('error', lost);
			if (child.pid !== undefined) {
				child.send({ type: 'warm-up' } satisfies WarmUp, () => {});
			}
		} catch {
			// The next request reports why no process starts.
		}
	}

	/** Process id; undefined without a process. */
	get pid(): number | undefined {
		return this.#child?.pid;
	}

	/** Hands over the process; undefined if it has ended. */
	take(): ChildProcess | undefined {
		const child = this.#release();
		return child?.pid !== undefined && child.connected ? child : undefined;
	}

	end(): void {
		const child = this.#release();
		if (child?.pid !== undefined) {
			child.kill('SIGKILL');
		}
	}

	#release(): ChildProcess | undefined {
		clearTimeout(this.#timer);
		const child = this.#child;
		this.#child = undefined;
		return child;
	}
}
