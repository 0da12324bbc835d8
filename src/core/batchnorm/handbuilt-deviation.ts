import type { EpsilonPlace } from './layer.js';

/** Parts of a deviation besides the variance. */
export interface DeviationForm {
	readonly epsilon: number;
	readonly place: EpsilonPlace;
	/** m / (m - 1) for an unbiased variance of m values; otherwise 1. */
	readonly correction: number;
}

/**
 * Returns the square of the deviation that divides x - mean, so that 1 / sqrt of it is the scale.
 * @param variance biased
 */
export function squaredDeviation({ epsilon, place, correction }: DeviationForm, variance: number): number {
	const used = correction * variance;
	switch (place) {
		case 'inside':
			return used + epsilon;
		case 'beside':
			return (Math.sqrt(used) + epsilon) ** 2;
		case 'floor':
			return Math.max(used, epsilon);
		case 'floor-beside':
			return Math.max(Math.sqrt(used), epsilon) ** 2;
	}
}
