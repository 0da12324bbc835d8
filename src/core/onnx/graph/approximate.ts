import type { Origin } from '../origin.js';
import type { Operator } from './constant-arithmetic.js';
import { APPROXIMATE_FUNCTIONS } from './constant-functions.js';
import { PRODUCTS } from './constant-products.js';
import { APPROXIMATE_REDUCTIONS } from './constant-reductions.js';

/** Operators on constants that each runtime rounds in its own way. */
export const APPROXIMATE: ReadonlyMap<string, Operator> = new Map([
	...APPROXIMATE_FUNCTIONS,
	...APPROXIMATE_REDUCTIONS,
	...PRODUCTS,
]);

/** True for a constant expression whose value in a runtime may differ by more than a rounding from the value here. */
export function isApproximate(origin: Origin): boolean {
	return origin.kind === 'computed' && origin.operators.some((operator) => APPROXIMATE.has(operator));
}
