import { close, openSync, read } from 'node:fs';

/** Device of endless zeros, which Windows lacks. */
const ZEROS = '/dev/zero';

/** Maximum number of bytes per read. The first write faults in the pages behind them. */
const MAX_READ = 2 ** 30;

/**
 * Faults in the pages of memory that was never written, on a thread of Node's pool. The thread works while a call of the
 * runtime blocks this one. A page takes up to 4 µs in a virtual machine, longer than the runtime needs to compute its
 * content. Leaves zeros in the memory. If {@link ZEROS} is missing, the first write faults in each page as usual.
 */
export async function makePages(memory: Uint8Array): Promise<void> {
	if (memory.length === 0) {
		return;
	}
	let zeros: number;
	try {
		zeros = openSync(ZEROS, 'r');
	} catch {
		return;
	}
	await new Promise<void>((resolve) =>
		read(zeros, memory, 0, Math.min(memory.length, MAX_READ), null, () => resolve()),
	);
	close(zeros);
}
