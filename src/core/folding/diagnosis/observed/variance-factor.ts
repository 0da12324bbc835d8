import { type Deviation, deviation, PARAMETER_BITS, VARIANT_BITS } from './deviation.js';

/** An interpretation of a factor on the variance. */
export interface FactorMeaning {
	readonly cause: Deviation;
	readonly k: number;
	readonly meanFactor: number;
}

/**
 * Distance from 1 up to which a factor on the variance counts as a correction for the sample size, not as a moving
 * average's.
 */
export const NEAR_ONE = 0.05;

/** Returns the possible interpretations of a factor between `low` and `high` on the variance. */
export function explainFactor(low: number, high: number): FactorMeaning[] {
	const factor = (low + high) / 2;
	const alone = { factor, mean: 'right' };
	// A moving-average factor that was not divided out is in the hundreds, or an inverse of that. Near 1 a corrected
	// variance is likelier.
	const bits = PARAMETER_BITS + (Math.abs(factor - 1) < NEAR_ONE ? 2 * VARIANT_BITS : 0);
	const readings = [
		{ cause: deviation('variance-scale-factor', bits, { factor }), k: factor, meanFactor: factor },
		{ cause: deviation('variance-scale-factor', bits + VARIANT_BITS, alone), k: factor, meanFactor: 1 },
	];
	// k = m / (m - 1), or its inverse where the correction was taken back.
	const inverse = high < 1;
	const samplesOf = (k: number) => 1 / (1 - (inverse ? k : 1 / k));
	const [least, most] = [samplesOf(low), samplesOf(high)].sort((a, b) => a - b);
	const nearest = Math.round(samplesOf(factor));
	const samples = least <= nearest && nearest <= most ? nearest : Math.ceil(least);
	if (samples >= 2 && samples <= most) {
		// A small m costs few bits, a large m as many as a fitted parameter.
		const bits = Math.min(PARAMETER_BITS + VARIANT_BITS, 2 * Math.log2(samples));
		const k = inverse ? (samples - 1) / samples : samples / (samples - 1);
		readings.push({ cause: deviation('unbiased-variance', bits, { samples, inverse }), k, meanFactor: 1 });
	}
	return readings;
}
