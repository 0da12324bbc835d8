import type { WriteStream } from 'node:tty';
import { stageWords } from '../core/report/stages.js';
import type { EngineProgress } from '../engine/client.js';

export interface TerminalProgress {
	readonly show: (event: EngineProgress) => void;
	readonly clear: () => void;
}

/** Time without an event after which the line says how to stop, in ms: a model may have an endless loop. */
const PATIENCE_MILLISECONDS = 10_000;

/** Shows a line that is overwritten, on terminals only. Logs and pipes stay clean. */
export function terminalProgress(stream: WriteStream): TerminalProgress {
	let shown = false;
	let timer: NodeJS.Timeout | undefined;
	const clear = () => {
		clearTimeout(timer);
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
			const line = `\r\u001b[K${stageWords(event.stage)}${count} …`;
			stream.write(line);
			shown = true;
			clearTimeout(timer);
			timer = setTimeout(() => stream.write(`${line} Ctrl+C stops it.`), PATIENCE_MILLISECONDS).unref();
		},
	};
}
