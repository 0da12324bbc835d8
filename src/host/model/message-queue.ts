import type { HostToWebview } from '../../protocol/host-webview.js';

/**
 * How long news of a run may wait for more. Verdicts of small layers come within a millisecond of each other, and each
 * batch makes the page draw its table and overview again: sent one by one, 52 layers kept a slow machine busy for 7 s.
 */
const INTERVAL_MILLISECONDS = 100;

/** Sends a page its messages, those of a run in batches, without what has been overtaken before it was sent. */
export class MessageQueue {
	readonly #post: (message: HostToWebview) => PromiseLike<unknown>;
	#waiting: readonly HostToWebview[] = [];
	#timer: NodeJS.Timeout | undefined;
	/** The batch on its way: the next one waits for it, so that a page slower than the engine is not flooded. */
	#sending: object | undefined;
	#urgent = false;

	/** @param post may reject, and may never settle once {@link clear} was called. */
	constructor(post: (message: HostToWebview) => PromiseLike<unknown>) {
		this.#post = post;
	}

	push(message: HostToWebview): void {
		this.#waiting = [...this.#waiting.filter((earlier) => !overtakes(message, earlier)), message];
		this.#urgent ||= message.type !== 'layer' && message.type !== 'progress';
		this.#proceed();
	}

	/** Forgets what was not sent: the page is gone, or asks for everything anew. */
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

/** Whether `earlier` says nothing that `message` does not say too. */
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
