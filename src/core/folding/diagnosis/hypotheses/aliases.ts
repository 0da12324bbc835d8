import type { CauseCode } from '../../../report/causes.js';
import type { Deviation } from '../observed/deviation.js';
import type { FoldCase } from '../observed/fold-case.js';
import { NEAR_ONE } from '../observed/variance-factor.js';

/** Causes with the same effect as other causes, indistinguishable by weights. */
interface Alias {
	readonly of: readonly CauseCode[];
	readonly same: readonly CauseCode[];
	/** For causes that agree in some layers only: true if they agree in this layer. */
	readonly holds?: (fold: FoldCase, deviations: readonly Deviation[]) => boolean;
}

const ALIASES: readonly Alias[] = [
	// gamma / (sqrt(variance) + epsilon) equals the fold without its root, with a standard deviation in place of the
	// variance.
	{ of: ['epsilon-outside-sqrt'], same: ['missing-sqrt', 'std-as-variance'] },
	// A lower limit below every variance is no epsilon at all.
	{ of: ['wrong-epsilon'], same: ['epsilon-clamped'], holds: isLimitUnreached },
	// The operator has no bias, before or after the fold.
	{ of: ['bias-not-folded'], same: ['beta-dropped', 'mean-dropped'], holds: ({ original }) => !hasBias(original) },
	// A variance of 1 without epsilon is none.
	{ of: ['mean-dropped', 'variance-ignored'], same: ['initial-statistics', 'wrong-epsilon'] },
	{ of: ['mean-dropped', 'variance-ignored'], same: ['initial-statistics', 'epsilon-clamped'] },
	// With a correct mean, a factor near 1 may also be a correction for the sample size, to almost all digits.
	{ of: ['variance-scale-factor'], same: ['unbiased-variance'], holds: isCorrection },
];

/** Returns other causes with the same effect on the weights. Unaffected members of `deviations` stay. */
export function aliasesOf(fold: FoldCase, deviations: readonly Deviation[]): readonly (readonly CauseCode[])[] {
	const codes: readonly CauseCode[] = deviations.map(({ code }) => code);
	return ALIASES.filter(
		({ of, same, holds }) =>
			of.every((code) => codes.includes(code)) &&
			!same.some((code) => codes.includes(code)) &&
			(holds?.(fold, deviations) ?? true),
	).map(({ of, same }) => [...codes.filter((code) => !of.includes(code)), ...same]);
}

function isLimitUnreached({ parameters }: FoldCase, deviations: readonly Deviation[]): boolean {
	const used = deviations.find(({ code }) => code === 'wrong-epsilon')?.values.epsilon;
	const { epsilon, variance } = parameters;
	// Another limit than the file's epsilon may lie below them all.
	return used === 0 || (typeof used === 'number' && used < epsilon && variance.every((value) => value >= epsilon));
}

function isCorrection(_: FoldCase, deviations: readonly Deviation[]): boolean {
	const { factor, mean } = deviations.find(({ code }) => code === 'variance-scale-factor')?.values ?? {};
	return mean === 'right' && typeof factor === 'number' && Math.abs(factor - 1) < NEAR_ONE;
}

function hasBias({ bias }: FoldCase['original']): boolean {
	return bias?.some((value) => value !== 0) ?? false;
}
