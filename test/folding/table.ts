/** The confusion table: what was done to the layers against what the comparison named, as Markdown. */
import type { Outcome } from './run.js';

/** Confidence above which a wrong answer would be a broken promise. */
const CONFIDENT = 0.9;

export interface Tally {
	readonly cases: number;
	readonly identifiable: number;
	/** Of the identifiable ones: all causes named, and no other. */
	readonly right: number;
	/** Of all cases: a cause is named that was none, and with confidence. */
	readonly confidentlyWrong: number;
	/** Of the identifiable ones: the faulty layer not found, or another one suspected. */
	readonly layerMissed: number;
}

const isRight = ({ named, expected }: Outcome): boolean => named === expected;

/** A fault that changes nothing may go unnamed. */
function isConfidentlyWrong({ named, expected, confidence }: Outcome): boolean {
	const done = expected.split(' + ');
	return confidence > CONFIDENT && named !== 'none' && named.split(' + ').some((code) => !done.includes(code));
}

export function tally(outcomes: readonly Outcome[]): Tally {
	const identifiable = outcomes.filter((outcome) => outcome.identifiable);
	const wrong = identifiable.filter((outcome) => !isRight(outcome));
	return {
		cases: outcomes.length,
		identifiable: identifiable.length,
		right: identifiable.length - wrong.length,
		confidentlyWrong: outcomes.filter(isConfidentlyWrong).length,
		layerMissed: identifiable.filter(({ isLayerFound }) => !isLayerFound).length,
	};
}

export function confusionDocument(outcomes: readonly Outcome[], seed: number): string {
	const sizes: readonly [string, (count: number) => boolean][] = [
		['One cause', (count) => count === 1],
		['Two causes at once', (count) => count === 2],
		['Damage outside the catalog', (count) => count === 0],
	];
	const parts = sizes.map(([title, fits]) => {
		const part = outcomes.filter(({ set }) => fits(set.faults.length));
		return { title, part, counts: tally(part) };
	});
	const summary = [...parts, { title: 'All', part: outcomes, counts: tally(outcomes) }].map(({ title, counts }) =>
		row([title, counts.cases, counts.identifiable, percentage(counts), counts.confidentlyWrong, counts.layerMissed]),
	);
	return `${[
		'# What the comparison says about wrongly folded networks',
		'',
		`Written by \`node test/folding/confusion.mjs --write\` (seed ${seed}). In each case one layer of a network is folded by a`,
		'tool that computes in float32 and makes one mistake in it, or two, and every other layer is folded right. Half of the',
		'networks are those of test/fixtures/models, with the weights and statistics that PyTorch gave them; the others are',
		'three random operators of all kinds. A case is *identifiable* when every fault changes the result by more than',
		'rounding and no other one or two make the same result; for the others no answer could be right every time. *Right*',
		'means: every cause named, and no other. *Confidently wrong* means, of all cases, those not identifiable included: a',
		`cause named that was not there, with a confidence above ${CONFIDENT}.`,
		'',
		...table(['', 'cases', 'identifiable', 'right', 'confidently wrong', 'layer missed'], summary),
		'',
		'## One cause',
		'',
		...table(['done', 'cases', 'identifiable', 'right', 'named instead'], bySet(parts[0].part)),
		'',
		'## Damage outside the catalog',
		'',
		...table(['done', 'cases', 'identifiable', 'right', 'named instead'], bySet(parts[2].part)),
		'',
		'## Two causes at once',
		'',
		'Pairs that hold each cause:',
		'',
		...table(['cause', 'cases', 'identifiable', 'right'], byCause(parts[1].part)),
		'',
		'Every pair that was named otherwise although it is identifiable:',
		'',
		...table(['done', 'named', 'cases', 'highest confidence'], mistakes(parts[1].part)),
	].join('\n')}\n`;
}

const percentage = ({ right, identifiable }: Tally): string =>
	identifiable > 0 ? `${right} (${((100 * right) / identifiable).toFixed(1)} %)` : '-';

const row = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;

function table(head: readonly string[], rows: readonly string[]): string[] {
	return [row(head), row(head.map(() => '---')), ...rows];
}

function groups<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
	const result = new Map<string, T[]>();
	for (const item of items) {
		result.set(key(item), [...(result.get(key(item)) ?? []), item]);
	}
	return result;
}

function bySet(outcomes: readonly Outcome[]): string[] {
	return [...groups(outcomes, ({ set }) => set.name)].map(([name, group]) => {
		const counts = tally(group);
		const others = groups(
			group.filter((outcome) => outcome.identifiable && !isRight(outcome)),
			({ named }) => named,
		);
		const named = [...others].map(([cause, cases]) => `${cause} ${cases.length}`).join(', ');
		return row([name, counts.cases, counts.identifiable, percentage(counts), named]);
	});
}

function byCause(outcomes: readonly Outcome[]): string[] {
	const codes = [...new Set(outcomes.flatMap(({ set }) => set.faults.map(({ code }) => code)))].sort();
	return codes.map((code) => {
		const counts = tally(outcomes.filter(({ set }) => set.faults.some((fault) => fault.code === code)));
		return row([code, counts.cases, counts.identifiable, percentage(counts)]);
	});
}

function mistakes(outcomes: readonly Outcome[]): string[] {
	const wrong = outcomes.filter((outcome) => outcome.identifiable && !isRight(outcome));
	return [...groups(wrong, ({ expected, named }) => `${expected} | ${named}`)].map(([key, group]) =>
		row([key, group.length, Math.max(...group.map(({ confidence }) => confidence)).toFixed(2)]),
	);
}
