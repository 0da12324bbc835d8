/** `node test/folding/confusion.mjs [--seed N] [--write]`: all kinds of cases, counted. */
import { writeFileSync } from 'node:fs';
import { DAMAGES, type FaultSet, PAIRS, SINGLES } from './cases.js';
import { realLayers } from './real-networks.js';
import { type Outcome, runCase } from './run.js';
import { confusionDocument, tally } from './table.js';

/** Cases of each kind: more than 2,000 in all. */
const OF_EACH_SINGLE = 30;
const OF_EACH_PAIR = 3;
const OF_EACH_DAMAGE = 50;

function option(name: string): string | undefined {
	const at = process.argv.indexOf(name);
	return at < 0 ? undefined : (process.argv[at + 1] ?? '');
}

const seed = Number(option('--seed') ?? 1);
const real = await realLayers();
const plan: readonly (readonly [readonly FaultSet[], number])[] = [
	[SINGLES, OF_EACH_SINGLE],
	[PAIRS, OF_EACH_PAIR],
	[DAMAGES, OF_EACH_DAMAGE],
];
const outcomes: Outcome[] = [];
for (const [sets, count] of plan) {
	for (const set of sets) {
		for (let repeat = 0; repeat < count; repeat++) {
			outcomes.push(await runCase(set, seed * 1_000_000 + outcomes.length, real));
		}
		if (process.stderr.isTTY) {
			process.stderr.write(`\r${outcomes.length} cases`);
		}
	}
}
const document = confusionDocument(outcomes, seed);
console.log(document);
if (process.argv.includes('--write')) {
	writeFileSync('test/folding/CONFUSION.md', document);
}
const { identifiable, right, confidentlyWrong, layerMissed } = tally(outcomes);
process.exitCode = right >= 0.98 * identifiable && confidentlyWrong === 0 && layerMissed === 0 ? 0 : 1;
