import type { Deviation } from '../observed/deviation.js';

/**
 * Ways in which a tool may turn gamma, variance and epsilon into a scale. A law combines a quantity in place of gamma,
 * a quantity in place of the variance, and a formula. Each formula is
 *
 *     scale = numerator * (k * base(statistic(variance)) + e) ^ (-1 / exponent)
 *
 * so that y = |numerator / scale| ^ exponent is linear in the base. The intercept is the epsilon that was used. The
 * slope k is a factor on the variance, or its root if the base is a root. Both follow from the ratios found.
 */
type Code = Deviation['code'];

export interface Formula {
	/** Cause that the entry stands for; null for the correct entry. */
	readonly code: Code | null;
	readonly exponent: number;
	readonly base: (variance: number) => number;
	/** A factor on the variance shows as this power of itself. */
	readonly factorPower: number;
}

const identity = (value: number): number => value;

const linear = (code: Code | null, exponent: number): Formula => ({
	code,
	exponent,
	base: identity,
	factorPower: 1,
});

export const FORMULAS: readonly Formula[] = [
	linear(null, 2),
	// numerator / (sqrt(variance) + e)
	{ code: 'epsilon-outside-sqrt', exponent: 1, base: Math.sqrt, factorPower: 0.5 },
	// numerator / (variance + e)
	linear('missing-sqrt', 1),
	// numerator * sqrt(variance + e)
	linear('multiplied-by-std', -2),
	// The root of the root: sqrt(sqrt(variance + e)).
	linear('std-as-variance', 4),
];

/** Quantity in place of the variance. */
export interface Statistic {
	readonly code: Code | null;
	readonly of: (variance: number) => number;
	/** Factor on the mean that goes with it. */
	readonly meanFactor: number;
}

export const STATISTICS: readonly Statistic[] = [
	{ code: null, of: identity, meanFactor: 1 },
	{ code: 'std-as-variance', of: Math.sqrt, meanFactor: 1 },
	{ code: 'missing-sqrt', of: (variance) => variance * variance, meanFactor: 1 },
	{ code: 'initial-statistics', of: () => 1, meanFactor: 0 },
];

/** Quantity in place of gamma. */
export interface Multiplier {
	readonly code: Code | null;
	readonly of: (gamma: number) => number;
}

export const MULTIPLIERS: readonly Multiplier[] = [
	{ code: null, of: identity },
	{ code: 'gamma-sign-lost', of: Math.abs },
	{ code: 'gamma-dropped', of: () => 1 },
];

/** A combination of an entry from each of the three tables. */
export interface ScaleLaw {
	readonly formula: Formula;
	readonly statistic: Statistic;
	/** Gamma, times a constant that multiplies the scale. */
	readonly numerator: (gamma: number) => number;
}

/** Returns base(statistic(variance)). As a function of it, y has slope k and intercept epsilon. */
export function lawBase({ formula, statistic }: ScaleLaw, variance: number): number {
	return formula.base(statistic.of(variance));
}

export function lawScale(law: ScaleLaw, gamma: number, variance: number, k: number, e: number): number {
	const y = k * lawBase(law, variance) + e;
	const { exponent } = law.formula;
	const root = exponent === 1 ? y : exponent === 2 ? Math.sqrt(y) : y ** (1 / exponent);
	return law.numerator(gamma) / root;
}

/**
 * Returns the values of y that an interval of ratios allows. Undefined if the ratio's sign contradicts the numerator's,
 * or if the interval contains 0 and so sets no limit.
 */
export function lawInterval(
	law: ScaleLaw,
	gamma: number,
	low: number,
	high: number,
): readonly [number, number] | undefined {
	const numerator = law.numerator(gamma);
	if (!(low * high > 0) || Math.sign(low) !== Math.sign(numerator)) {
		return undefined;
	}
	const a = Math.abs(numerator / low) ** law.formula.exponent;
	const b = Math.abs(numerator / high) ** law.formula.exponent;
	// This function's own rounding, which matters for float64 models only.
	return [Math.min(a, b) * (1 - OWN_ROUNDING), Math.max(a, b) * (1 + OWN_ROUNDING)];
}

const OWN_ROUNDING = 1e-15;
