import type { ToleranceOf } from './value-pairing.js';

/**
 * Allowed multiple of the measured effect of rounding. A fold rounds each weight and bias once more, by about one unit
 * roundoff in every layer. The measurement perturbs the inputs by a few units.
 */
const SAFETY = 4;
/** A tensor's own rounding, in units roundoff of its size: the sums of an operator round once per block of terms. */
const OWN_ROUNDING = 4;

/** Returns the tolerance for models that compute in a floating type. @param unitRoundoff of the coarser model's type */
export function roundingTolerance(unitRoundoff: number): ToleranceOf {
	return ({ size, largest, noise }) => ({
		rms: SAFETY * (noise.rms + OWN_ROUNDING * unitRoundoff * size),
		maxAbs: SAFETY * (noise.maxAbs + OWN_ROUNDING * unitRoundoff * largest),
	});
}
