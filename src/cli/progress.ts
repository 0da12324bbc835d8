import type { WriteStream } from 'node:tty';
import type { EngineProgress } from '../engine/client.js';
import type { Stage } from '../protocol/host-engine.js';

export interface TerminalProgress {
	readonly show: (event: EngineProgress) => void;
	readonly clear: () => void;
}

const WORDS: Readonly<Record<Stage, string>> = {
	opening: 'Opening the model',
	comparing: 'Comparing its parameters',
	writing: 'Writing the folded model',
	loading: 'Loading it into the runtime',
	running: 'Running it',
	verifying: 'Checking layer',
};

/** One line that is overwritten, and only on a terminal: logs and pipes get nothing. */
export function terminalProgress(stream: WriteStream): TerminalProgress {
	let shown = false;
	const clear = () => {
		if (shown) {
			stream.write('\r\u001b[K');
			shown = false;
		}
	};
	return {
		clear,
		show(event) {
			if (!stream.isTTY || event.type !== 'progress') {
				return;
			}
			const count = event.stage === 'verifying' ? ` ${event.done + 1} of ${event.total}` : '';
			stream.write(`\r\u001b[K${WORDS[event.stage]}${count} …`);
			shown = true;
		},
	};
}
