/** `node test/folding/quantized.mjs [--seed N] [--write]`: wrong folds that were quantized afterwards, counted by form. */
import { writeFileSync } from 'node:fs';
import type { CauseCode } from '../../src/core/report/causes.js';
import { type FaultSet, SINGLES } from './cases.js';
import { ARCHITECTURES } from './quantized-networks.js';
import { QUANTIZED_FORMS, type QuantizedAnswer, runQuantizedNetwork } from './quantized-runs.js';
import type { Recipe } from './tool.js';

const NAMED: readonly CauseCode[] = [
	...(['gamma-dropped', 'gamma-sign-lost', 'beta-dropped', 'mean-dropped', 'mean-sign-flipped'] as const),
	...(['missing-sqrt', 'folded-twice', 'parameters-permuted', 'channels-permuted'] as const),
];

/** Faults that no cause of the catalog describes: they have to be called wrong. */
const flipped = (name: string, apply: (recipe: Recipe) => Recipe): FaultSet => ({ name, faults: [], damage: apply });

const RIGHT: FaultSet = { name: 'right', faults: [] };
const SETS: readonly FaultSet[] = [
	...SINGLES.filter(({ faults: [{ code }] }) => NAMED.includes(code)),
	flipped('beta flipped', (recipe) => ({ ...recipe, betaTerm: (beta) => -beta })),
	flipped('gamma flipped', (recipe) => ({ ...recipe, gamma: recipe.gamma.map((value) => -value) })),
];

/** Architectures that each fault meets in each form. */
const ARCHITECTURES_OF_EACH = 3;
/** Confidence above which a wrong name counts. */
const CONFIDENT = 0.9;

interface Counts {
	right: number;
	rightAs: number;
	wrong: number;
	calledWrong: number;
	visible: number;
	named: number;
	confidentlyWrong: number;
}

const isNamed = ({ named }: QuantizedAnswer, set: FaultSet): boolean => named === set.name;
const isCalledWrong = ({ faulty, status }: QuantizedAnswer): boolean => faulty.status === 'mismatch' && status === 1;
const areOthersRight = ({ others }: QuantizedAnswer): boolean => others.every(({ status }) => status !== 'mismatch');

function count(counts: Counts, set: FaultSet, answer: QuantizedAnswer): boolean {
	if (set === RIGHT) {
		const isRight = answer.status === 0 && answer.faulty.status === 'match' && areOthersRight(answer);
		counts.right++;
		counts.rightAs += Number(isRight);
		return isRight;
	}
	const isConfidentlyWrong = answer.named !== '' && !isNamed(answer, set) && answer.faulty.confidence > CONFIDENT;
	counts.wrong++;
	counts.calledWrong += Number(isCalledWrong(answer) && areOthersRight(answer));
	counts.visible += Number(answer.isVisible);
	counts.named += Number(answer.isVisible && isNamed(answer, set));
	counts.confidentlyWrong += Number(isConfidentlyWrong);
	return (
		areOthersRight(answer) &&
		!isConfidentlyWrong &&
		(answer.isVisible ? isNamed(answer, set) : set.damage === undefined || isCalledWrong(answer))
	);
}

const row = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;

const seedAt = process.argv.indexOf('--seed');
const seed = seedAt < 0 ? 1 : Number(process.argv[seedAt + 1]);
const rows: string[] = [];
const total = { visible: 0, named: 0, wrongly: 0, pairs: 0 };
let areAllNamed = true;
for (const form of QUANTIZED_FORMS) {
	const counts = { right: 0, rightAs: 0, wrong: 0, calledWrong: 0, visible: 0, named: 0, confidentlyWrong: 0 };
	const run = async (set: FaultSet, at: number) => {
		const architecture = ARCHITECTURES[at % ARCHITECTURES.length];
		const own = seed * 1_000_000 + total.pairs++;
		const of = { architecture, form, set, seed: own, channels: [8, 16, 24][total.pairs % 3] };
		if (!count(counts, set, await runQuantizedNetwork(of))) {
			console.error(`${form.name}, ${architecture.name}, ${set.name}, seed ${own}`);
		}
	};
	for (const at of ARCHITECTURES.keys()) {
		await run(RIGHT, at);
	}
	for (const [at, set] of SETS.entries()) {
		for (let repeat = 0; repeat < ARCHITECTURES_OF_EACH; repeat++) {
			await run(set, at + 4 * repeat);
		}
	}
	const { right, rightAs, wrong, calledWrong, visible, named, confidentlyWrong } = counts;
	rows.push(row([form.name, right, rightAs, wrong, calledWrong, visible, named, visible - named, confidentlyWrong]));
	total.visible += visible;
	total.named += named;
	total.wrongly += confidentlyWrong;
	areAllNamed &&= rightAs === right && confidentlyWrong === 0;
}
const document = `${[
	'# What the comparison says about wrong folds that were quantized afterwards',
	'',
	`Written by \`node test/folding/quantized.mjs --write\` (seed ${seed}). In each pair one layer of a network is folded with a fault`,
	'(gamma, beta or mean dropped or flipped, sqrt forgotten, folded twice, parameters or channels in another order), and the whole',
	'network is then quantized with ranges of its own activations. Both models run. The networks are a convolution, a residual',
	'block, depthwise and grouped convolutions, x sigmoid(x), ConvTranspose, Conv1d, Linear with BatchNorm1d, a MatMul, and two',
	'branches that join. *Visible* means: the fault changes the weights by more than the grid hides, and no other fault makes the',
	'same. *Called wrong* means: this layer is a mismatch, no other layer is, and the exit status is 1. *Confidently wrong* means: a',
	'cause that is not the true one is named with a confidence above 0.9.',
	'',
	`${total.pairs} pairs: ${total.named} of ${total.visible} visible faults named (${((100 * total.named) / total.visible).toFixed(1)} %), ${total.wrongly} confidently wrong.`,
	'',
	row([
		...['form', 'right folds', 'called right', 'wrong folds', 'called wrong', 'visible', 'named', 'not named'],
		'confidently wrong',
	]),
	row(new Array(9).fill('---')),
	...rows,
].join('\n')}\n`;
console.log(document);
if (process.argv.includes('--write')) {
	writeFileSync('test/folding/QUANTIZED.md', document);
}
process.exitCode = areAllNamed && total.named >= 0.95 * total.visible ? 0 : 1;
