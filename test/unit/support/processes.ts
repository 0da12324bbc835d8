import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** True for a process that runs; false for one that has ended and waits for its parent to read its status. */
export function isAlive(pid: number): boolean {
	try {
		process.kill(pid, 0);
		return process.platform !== 'linux' || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
	} catch {
		return false;
	}
}

export async function waitUntilGone(pid: number, milliseconds = 5000): Promise<void> {
	for (const end = Date.now() + milliseconds; isAlive(pid); await sleep(10)) {
		assert.ok(Date.now() < end, `process ${pid} is still there`);
	}
}

/** Process ids of a process's children, from Linux's /proc. */
export function childrenOf(parent: number): number[] {
	return readdirSync('/proc')
		.filter((name) => /^\d+$/.test(name))
		.map(Number)
		.filter((pid) => {
			try {
				return Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1]) === parent;
			} catch {
				return false;
			}
		});
}

/** Processor time that a process has used in user mode, in seconds, from Linux's /proc. */
export function processorSeconds(pid: number): number {
	const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
		.replace(/^.*\) /, '')
		.split(' ');
	// Field 14 of proc(5), in ticks of 10 ms.
	return Number(fields[11]) / 100;
}
