import { formatNumber } from '../text/numbers.js';
import type { LayerReport } from './types.js';

/** Stands in tables for a parameter that the file does not show: computed at run time, folded, or missing. */
export const NOT_KNOWN = 'not known';

/** Returns epsilon, or {@link NOT_KNOWN} for a layer with constants that show its scale and shift only. */
export function epsilonText(
	{ kind, parameters, epsilon }: Pick<LayerReport, 'kind' | 'parameters' | 'epsilon'>,
	digits?: number,
): string {
	return kind === 'decomposed' && parameters === null ? NOT_KNOWN : formatNumber(epsilon, digits);
}
