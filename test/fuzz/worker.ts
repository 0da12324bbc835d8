// node worker.mjs SEED FIRST END: examines the mutations FIRST to END - 1 and reports to the parent process, which
// notices a hang or a crash: { index } before each, { index, failure } after a failure, { peakMb } at the end.
import { examine, mutant } from './examine.js';

const [seed = 0, first = 0, end = 0] = process.argv.slice(2).map(Number);
for (let index = first; index < end; index++) {
	process.send?.({ index });
	const failure = await examine(mutant(seed, index));
	if (failure !== undefined) {
		process.send?.({ index, failure });
	}
}
process.send?.({ peakMb: process.resourceUsage().maxRSS / 1024 }, () => process.disconnect());
