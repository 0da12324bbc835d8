// node worker.mjs SEED FIRST END MEGABYTES [FORMAT]: examines the mutations FIRST to END - 1 and reports to the parent process, which
// notices a hang or a crash: { index } before each, { index, failure } after a failure, { peakMb } after the last. Ends
// early after a mutation that leaves more than MEGABYTES behind, because the peak of a process never falls.
import { setImmediate } from 'node:timers/promises';
import { isSeedFormat } from './checkpoint-seeds.js';
import { examine } from './examine.js';
import { watchHangs } from './hang.js';

const [seed = 0, first = 0, end = 0, megabytes = Number.POSITIVE_INFINITY] = process.argv.slice(2, 6).map(Number);
const [format] = process.argv.slice(6).filter(isSeedFormat);
/** Processor time after which a mutation counts as a hang, in ms. A slow mutation fails by the limits of its uses. */
const HANG = 60_000;

const startMutation = watchHangs(HANG);
// Ends with the parent.
process.on('disconnect', () => process.exit());
const peakMb = () => process.resourceUsage().maxRSS / 1024;
for (let index = first; index < end && peakMb() <= megabytes; index++) {
	// Lets the end of the parent come in, because most mutations never wait.
	await setImmediate();
	startMutation(index);
	process.send?.({ index });
	const failure = await examine(seed, index, format);
	if (failure !== undefined) {
		process.send?.({ index, failure });
	}
}
process.send?.({ peakMb: peakMb() }, () => process.disconnect());
