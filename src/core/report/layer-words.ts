import { formatNumber } from '../text/numbers.js';
import type { LayerReport } from './types.js';

/** Stands in tables for a parameter that the file does not show: computed at run time, folded, or missing. */
export const NOT_KNOWN = 'not known';

type LayerEpsilon = Pick<LayerReport, 'kind' | 'parameters' | 'epsilon'>;

/** False for a layer with constants that show its scale and shift only. */
export function isEpsilonKnown({ kind, parameters }: LayerEpsilon): boolean {
	return kind !== 'decomposed' || parameters !== null;
}

/** Returns epsilon, or {@link NOT_KNOWN}. */
export function epsilonText(layer: LayerEpsilon): string {
	return isEpsilonKnown(layer) ? formatNumber(layer.epsilon) : NOT_KNOWN;
}
