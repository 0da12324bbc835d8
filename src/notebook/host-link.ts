import type { HostToNotebook, NotebookToHost } from '../protocol/host-notebook.js';
import { strings } from './strings.js';

interface Waiting {
	resolve(report: unknown): void;
	reject(error: Error): void;
}

/** Asks the extension to inspect models. Every request ends with a report, a failure or its cancellation. */
export class HostLink {
	readonly #waiting = new Map<string, Waiting>();
	#next = 0;
	/** Makes ids differ between the frames of an editor. */
	readonly #prefix = Math.random().toString(36).slice(2);

	readonly #context: RendererContext;

	constructor(context: RendererContext) {
		this.#context = context;
		context.onDidReceiveMessage?.((message) => this.#receive(message));
	}

	/** @returns the report as plain JSON, unchecked. */
	inspect(path: string, signal: AbortSignal | undefined): Promise<unknown> {
		const { postMessage } = this.#context;
		if (!postMessage) {
			return Promise.reject(new Error(strings.noHost(path)));
		}
		const id = `${this.#prefix}-${this.#next++}`;
		return new Promise((resolve, reject) => {
			this.#waiting.set(id, { resolve, reject });
			signal?.addEventListener('abort', () => this.#settle(id)?.reject(new Error(strings.aborted)));
			postMessage({ type: 'inspect', id, path } satisfies NotebookToHost);
		});
	}

	/** Handles an answer; ignores answers to other frames of this renderer, which arrive here too. */
	#receive(value: unknown): void {
		if (!isAnswer(value)) {
			return;
		}
		switch (value.type) {
			case 'report':
				this.#settle(value.id)?.resolve(value.report);
				break;
			case 'failure':
				this.#settle(value.id)?.reject(new Error(value.message));
				break;
			default:
				value satisfies never;
		}
	}

	#settle(id: string): Waiting | undefined {
		const waiting = this.#waiting.get(id);
		this.#waiting.delete(id);
		return waiting;
	}
}

function isAnswer(value: unknown): value is HostToNotebook {
	return typeof value === 'object' && value !== null && 'type' in value && 'id' in value;
}
