import type { Comparison } from '../../core/report/comparison/comparison.js';
import type { RequestHooks } from '../../engine/client.js';
import type { HostToComparison } from '../../protocol/host-comparison.js';
import type { PageProgress } from '../../protocol/page.js';
import { describeError } from '../shared/describe-error.js';

/** Functions that a comparison calls; fakes replace them in tests. */
export interface ComparisonPorts {
	/** @param swapped True if the roles of the two models are exchanged. */
	compare(swapped: boolean, hooks: RequestHooks): Promise<Comparison>;
	log(line: string): void;
}

/** Result, progress and failure of comparing a pair of models. Sends each change to all listeners. */
export class ComparisonSession {
	readonly #ports: ComparisonPorts;
	readonly #listeners = new Set<(message: HostToComparison) => void>();
	#comparison: Comparison | undefined;
	#problem: string | undefined;
	#progress: PageProgress | null = null;
	#abort: AbortController | undefined;
	#swapped = false;

	constructor(ports: ComparisonPorts) {
		this.#ports = ports;
	}

	get comparison(): Comparison | undefined {
		return this.#comparison;
	}

	/** Reason why there is no comparison, or only an outdated comparison. */
	get problem(): string | undefined {
		return this.#problem;
	}

	/** True if the roles of the two models are exchanged. */
	get swapped(): boolean {
		return this.#swapped;
	}

	get running(): boolean {
		return this.#abort !== undefined;
	}

	onMessage(listener: (message: HostToComparison) => void): () => void {
		this.#listeners.add(listener);
		return () => this.#listeners.delete(listener);
	}

	/** Returns the messages that bring a new page up to date. */
	snapshot(): HostToComparison[] {
		return [
			...(this.#comparison ? [{ type: 'comparison', comparison: this.#comparison } as const] : []),
			...(this.#problem === undefined ? [] : [{ type: 'failure', message: this.#problem } as const]),
			...(this.#progress ? [{ type: 'progress', progress: this.#progress } as const] : []),
		];
	}

	/** Aborts the comparison under way and starts a new comparison. Never rejects; a failure is sent as a message. */
	async run(order: 'same' | 'swapped' = 'same'): Promise<void> {
		this.#abort?.abort();
		const abort = new AbortController();
		this.#abort = abort;
		this.#swapped = order === 'swapped' ? !this.#swapped : this.#swapped;
		this.#problem = undefined;
		this.#setProgress({ stage: 'opening', done: 0, total: 1 });
		const onEvent: RequestHooks['onEvent'] = (event) => {
			if (event.type === 'progress' && this.#abort === abort) {
				this.#setProgress({ stage: event.stage, done: event.done, total: event.total });
			}
		};
		try {
			const comparison = await this.#ports.compare(this.#swapped, { signal: abort.signal, onEvent });
			if (this.#abort === abort) {
				this.#comparison = comparison;
				this.#emit({ type: 'comparison', comparison });
			}
		} catch (error) {
			if (this.#abort === abort) {
				this.#problem = describeError(error);
				this.#ports.log(this.#problem);
				this.#emit({ type: 'failure', message: this.#problem });
			}
		} finally {
			if (this.#abort === abort) {
				this.#abort = undefined;
				this.#setProgress(null);
			}
		}
	}

	/** Aborts the comparison under way and reports a failure that it did not cause, for example a deleted file. */
	fail(message: string): void {
		this.#abort?.abort();
		this.#abort = undefined;
		this.#problem = message;
		this.#emit({ type: 'failure', message });
		this.#setProgress(null);
	}

	cancel(): void {
		this.#abort?.abort();
	}

	dispose(): void {
		this.#listeners.clear();
		this.#abort?.abort();
		this.#abort = undefined;
	}

	#setProgress(progress: PageProgress | null): void {
		this.#progress = progress;
		this.#emit({ type: 'progress', progress });
	}

	#emit(message: HostToComparison): void {
		for (const listener of this.#listeners) {
			listener(message);
		}
	}
}
