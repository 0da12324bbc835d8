import type { WriteStream } from 'node:tty';
import { stageWords } from '../core/report/stages.js';
import type { EngineProgress } from '../engine/client.js';

export interface TerminalProgress {
	readonly show: (event: EngineProgress) => void;
	readonly clear: () => void;
}

/** Shows a line that is overwritten, on terminals only. Logs and pipes stay clean. */
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
			const count =
				event.stage === 'verifying'
					? `: ${event.done + 1} of ${event.total}`
					: event.stage === 'collecting'
						? `: batch ${event.done} of ${event.total}`
						: '';
			stream.write(`\r\u001b[K${stageWords(event.stage)}${count} …`);
			shown = true;
		},
	};
}
