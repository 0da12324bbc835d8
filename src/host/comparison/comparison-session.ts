import type { Comparison } from '../../core/report/comparison.js';
import type { RequestHooks } from '../../engine/client.js';
import type { HostToComparison } from '../../protocol/host-comparison.js';
import { describeError } from '../shared/describe-error.js';

/** What a comparison needs of its surroundings. */
export interface ComparisonPorts {
	/** @param swapped the roles of the two models are exchanged */
	compare(swapped: boolean, hooks: RequestHooks): Promise<Comparison>;
	log(line: string): void;
}

/** One pair of models: what is known of it, and what is under way. Knows no page; any number may listen. */
export class ComparisonSession {
	private readonly ports: ComparisonPorts;
	private readonly listeners = new Set<(message: HostToComparison) => void>();
	private known: Comparison | undefined;
	private failure: string | undefined;
	private progress: Extract<HostToComparison, { type: 'progress' }>['progress'] = null;
	private abort: AbortController | undefined;
	private exchanged = false;

	constructor(ports: ComparisonPorts) {
		this.ports = ports;
	}

	get comparison(): Comparison | undefined {
		return this.known;
	}

	/** Why there is no comparison, or only an old one. */
	get problem(): string | undefined {
		return this.failure;
	}

	/** The roles of the two models are exchanged. */
	get swapped(): boolean {
		return this.exchanged;
	}

	get running(): boolean {
		return this.abort !== undefined;
	}

	onMessage(listener: (message: HostToComparison) => void): () => void {
		this.listeners.add(listener);
		return () => this.listeners.delete(listener);
	}

	/** All that a page needs that begins to listen now. */
	snapshot(): HostToComparison[] {
		return [
			...(this.known ? [{ type: 'comparison', comparison: this.known } as const] : []),
			...(this.failure === undefined ? [] : [{ type: 'failure', message: this.failure } as const]),
			...(this.progress ? [{ type: 'progress', progress: this.progress } as const] : []),
		];
	}

	/** Compares, instead of whatever is under way. Never rejects: a failure is a message. */
	async run(order: 'same' | 'swapped' = 'same'): Promise<void> {
		this.abort?.abort();
		const abort = new AbortController();
		this.abort = abort;
		this.exchanged = order === 'swapped' ? !this.exchanged : this.exchanged;
		this.failure = undefined;
		this.setProgress({ stage: 'opening', done: 0, total: 1 });
		const onEvent: RequestHooks['onEvent'] = (event) => {
			if (event.type === 'progress' && this.abort === abort) {
				this.setProgress({ stage: event.stage, done: event.done, total: event.total });
			}
		};
		try {
			const comparison = await this.ports.compare(this.exchanged, { signal: abort.signal, onEvent });
			if (this.abort === abort) {
				this.known = comparison;
				this.tell({ type: 'comparison', comparison });
			}
		} catch (error) {
			if (this.abort === abort) {
				this.failure = describeError(error);
				this.ports.log(this.failure);
				this.tell({ type: 'failure', message: this.failure });
			}
		} finally {
			if (this.abort === abort) {
				this.abort = undefined;
				this.setProgress(null);
			}
		}
	}

	/** There is nothing to compare any more, for a reason from outside; what is under way ends. */
	fail(message: string): void {
		this.abort?.abort();
		this.abort = undefined;
		this.failure = message;
		this.tell({ type: 'failure', message });
		this.setProgress(null);
	}

	cancel(): void {
		this.abort?.abort();
	}

	dispose(): void {
		this.listeners.clear();
		this.abort?.abort();
		this.abort = undefined;
	}

	private setProgress(progress: typeof this.progress): void {
		this.progress = progress;
		this.tell({ type: 'progress', progress });
	}

	private tell(message: HostToComparison): void {
		for (const listener of this.listeners) {
			listener(message);
		}
	}
}
