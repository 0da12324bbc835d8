import type { HostToWebview } from '../../protocol/host-webview.js';

/**
 * Maximum delay of verdicts and progress, in ms. Each message makes the page redraw its table and overview. Without
 * batches, 52 layers kept a slow machine busy for 7 s.
 */
const INTERVAL_MILLISECONDS = 100;

/** Sends messages to a page. Collects a run's messages in batches and drops outdated messages. */
export class MessageQueue {
	readonly #post: (message: HostToWebview) => PromiseLike<unknown>;
	#waiting: readonly HostToWebview[] = [];
	#timer: NodeJS.Timeout | undefined;
	/** The batch on its way. The next batch waits for it, so that a slow page is not flooded. */
	#sending: object | undefined;
	#urgent = false;

	/** @param post May reject. May never settle after {@link clear} was called. */
	constructor(post: (message: HostToWebview) => PromiseLike<unknown>) {
		this.#post = post;
	}

	push(message: HostToWebview): void {
		this.#waiting = [...this.#waiting.filter((earlier) => !overtakes(message, earlier)), message];
		this.#urgent ||= message.type !== 'layer' && message.type !== 'progress';
		this.#proceed();
	}

	/** Drops unsent messages: the page is gone or requests all state. */
	clear(): void {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		this.#waiting = [];
		this.#sending = undefined;
		this.#urgent = false;
	}

	#proceed(): void {
		if (this.#sending || this.#waiting.length === 0) {
			return;
		}
		if (this.#urgent) {
			this.#send();
		} else {
			this.#timer ??= setTimeout(() => this.#send(), INTERVAL_MILLISECONDS);
		}
	}

	#send(): void {
		const batch = this.#waiting;
		this.clear();
		this.#sending = batch;
		Promise.allSettled(batch.map((message) => this.#post(message))).then(() => {
			if (this.#sending === batch) {
				this.#sending = undefined;
				this.#proceed();
			}
		});
	}
}

/** Returns true if `message` makes `earlier` outdated. */
function overtakes(message: HostToWebview, earlier: HostToWebview): boolean {
	switch (message.type) {
		case 'report':
			return earlier.type === 'report' || earlier.type === 'layer' || earlier.type === 'run';
		case 'layer':
			return earlier.type === 'layer' && earlier.index === message.index;
		case 'run':
		case 'progress':
			return earlier.type === message.type;
		default:
			return false;
	}
}
