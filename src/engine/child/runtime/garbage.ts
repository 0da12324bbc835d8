import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | undefined;

/** Frees unused memory at once, also outside the heap (milliseconds). */
export function collectGarbage(): void {
	if (!collect) {
		// Has the effect of starting the process with the flag, without every caller having to pass it.
		setFlagsFromString('--expose-gc');
		collect = runInNewContext('gc') as () => void;
	}
	collect();
}
