/** `node test/folding/forms.mjs [--seed N] [--write]`: pairs of all kinds of structure, counted. */
import { writeFileSync } from 'node:fs';
import { FORM_KINDS, type FormOutcome, formsDocument, runForm } from './forms.js';

/** Pairs of each kind: more than 500 in all. */
const OF_EACH = 10;

const at = process.argv.indexOf('--seed');
const seed = at < 0 ? 1 : Number(process.argv[at + 1]);
const outcomes: FormOutcome[] = [];
for (const kind of FORM_KINDS) {
	for (let repeat = 0; repeat < OF_EACH; repeat++) {
		const own = seed * 1_000_000 + outcomes.length;
		const outcome = await runForm(kind, own);
		outcomes.push(outcome);
		if (!outcome.isRight || outcome.isConfidentlyWrong) {
			console.error(`${kind.truth}: ${kind.name}, seed ${own}`);
		}
	}
}
const document = formsDocument(outcomes, seed);
console.log(document);
if (process.argv.includes('--write')) {
	writeFileSync('test/folding/FORMS.md', document);
}
process.exitCode = outcomes.every(({ isRight, isConfidentlyWrong }) => isRight && !isConfidentlyWrong) ? 0 : 1;
