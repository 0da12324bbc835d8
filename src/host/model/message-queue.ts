import { reportChanges } from '../../core/report/changes.js';
import type { Report } from '../../core/report/types.js';
import type { HostToWebview } from '../../protocol/host-webview.js';
import type { SessionMessage } from './model-session.js';

/**
 * Maximum delay of verdicts and progress, in ms. Each message makes the page redraw its table and overview. Without
 * batches, 52 layers kept a slow machine busy for 7 s.
 */
const INTERVAL_MILLISECONDS = 100;

/**
 * Sends messages to a page. Collects a run's messages in batches and drops outdated messages. Sends an update of the
 * report as the changes since the page's last state: a report holds 2 MB for a model of 14 MB, and sending it again took
 * as long as the run.
 */
export class MessageQueue {
	readonly #post: (message: HostToWebview) => PromiseLike<unknown>;
	#waiting: readonly SessionMessage[] = [];
	#timer: NodeJS.Timeout | undefined;
	/** The batch on its way. The next batch waits for it, so that a slow page is not flooded. */
	#sending: object | undefined;
	#urgent = false;
	/** The report on the page after all sent messages. */
	#sent: Report | undefined;

	/** @param post May reject. May never settle after {@link clear} was called. */
	constructor(post: (message: HostToWebview) => PromiseLike<unknown>) {
		this.#post = post;
	}

	push(message: SessionMessage): void {
		this.#waiting = [...this.#waiting.filter((earlier) => !overtakes(message, earlier)), message];
		this.#urgent ||= isUrgent(message);
		this.#proceed();
	}

	/** Drops unsent messages: the page is gone or requests all state. */
	clear(): void {
		this.#takeWaiting();
		this.#sending = undefined;
		this.#sent = undefined;
	}

	#takeWaiting(): readonly SessionMessage[] {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		const messages = this.#waiting;
		this.#waiting = [];
		this.#urgent = false;
		return messages;
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
		const batch = this.#takeWaiting();
		this.#sending = batch;
		Promise.allSettled(batch.map((message) => this.#post(this.#forPage(message)))).then(() => {
			if (this.#sending === batch) {
				this.#sending = undefined;
				this.#proceed();
			}
		});
	}

	#forPage(message: SessionMessage): HostToWebview {
		if (message.type !== 'report' && message.type !== 'update') {
			return message;
		}
		const { report } = message;
		const changes = message.type === 'update' && this.#sent ? reportChanges(this.#sent, report) : undefined;
		this.#sent = report;
		return changes ? { type: 'changes', changes } : { type: 'report', report };
	}
}

/** Returns true for a message that must not wait: anything but progress and the verdicts of a run under way. */
function isUrgent(message: SessionMessage): boolean {
	return message.type !== 'progress' && !(message.type === 'update' && message.report.run.status === 'pending');
}

/** Returns true if `message` makes `earlier` outdated. */
function overtakes(message: SessionMessage, earlier: SessionMessage): boolean {
	switch (message.type) {
		case 'report':
			return earlier.type === 'report' || earlier.type === 'update';
		case 'update':
		case 'progress':
			return earlier.type === message.type;
		default:
			return false;
	}
}
