import { close, openSync, read } from 'node:fs';

/** Endless zeros, to read from; Windows has nothing like it. */
const ZEROS = '/dev/zero';

/** More is not read at a time; what is beyond has its pages made when it is written to. */
const MOST = 2 ** 30;

/**
 * Has the system make the pages of memory that nobody has written to yet, on a thread of Node's pool. That thread goes on
 * while the runtime, whose calls return when they are done, keeps this one. Making a page takes up to 4 µs in a virtual
 * machine: longer than the runtime takes to compute what a page holds.
 *
 * Leaves zeros in the memory. Where it cannot be done whoever writes first makes the pages, as ever.
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
	await new Promise<void>((resolve) => read(zeros, memory, 0, Math.min(memory.length, MOST), null, () => resolve()));
	close(zeros);
}
