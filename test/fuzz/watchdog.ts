// Thread of a fuzzing worker, which a hang of the main thread does not block. Ends the process with HANG_SIGNAL if it
// spends more than the limit of processor time on one mutation, so that a busy machine makes no hang.
import { workerData } from 'node:worker_threads';
import { HANG_SIGNAL, type WatchedProgress } from './hang.js';

const CHECK_MILLISECONDS = 500;

const { index, milliseconds } = workerData as WatchedProgress;
let watched = Number.NaN;
let start = process.cpuUsage();

setInterval(() => {
	const current = Atomics.load(index, 0);
	const { user, system } = process.cpuUsage(start);
	if (current !== watched) {
		watched = current;
		start = process.cpuUsage();
	} else if ((user + system) / 1000 > milliseconds) {
		process.kill(process.pid, HANG_SIGNAL);
	}
}, CHECK_MILLISECONDS);
