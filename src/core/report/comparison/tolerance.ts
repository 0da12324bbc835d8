import { shortNumber } from '../../text/numbers.js';
import { count } from '../../text/sentences.js';
import { type CauseCode, PLACEMENT_CAUSES } from '../causes.js';
import type { Comparison, LayerComparison } from './comparison.js';

/**
 * Marks the wrong layers that differ by less than a tolerance, and adds a note. They keep their verdict but no longer
 * fail. A layer without a measured difference is never tolerated.
 * @param tolerance share of the largest value, for example 0.001
 */
export function withTolerance(comparison: Comparison, tolerance: number): Comparison {
	const layers = comparison.layers.map((layer): LayerComparison => {
		const share = layer.status === 'mismatch' ? differenceShare(layer) : undefined;
		return share !== undefined && share < tolerance ? { ...layer, isTolerated: true } : layer;
	});
	const marked = { ...comparison, layers, tolerance };
	const note = toleranceNote(marked);
	return { ...marked, notes: note === undefined ? comparison.notes : [...comparison.notes, note] };
}

/** True if the outputs of the models differ by less than the tolerance. */
export function areOutputsTolerated({ outputs, tolerance = 0 }: Comparison): boolean {
	// A difference without a number compares as false.
	return outputs?.status === 'mismatch' && (outputs.maxRel ?? Number.NaN) < tolerance;
}

function toleranceNote(comparison: Comparison): string | undefined {
	const layers = comparison.layers.filter(({ isTolerated }) => isTolerated).length;
	const parts = [
		...(layers > 0 ? [`${count(layers, 'wrong layer')} ${layers === 1 ? 'differs' : 'differ'}`] : []),
		...(areOutputsTolerated(comparison) ? [`the outputs ${layers > 0 ? '' : 'of the models '}differ`] : []),
	];
	const [first = ''] = parts;
	return first === ''
		? undefined
		: `${parts.join(' and ').replace(/^t/, 'T')} by less than ${shortNumber(comparison.tolerance ?? 0)} of the largest value, the tolerance of this comparison.`;
}

/**
 * Returns the largest difference of a wrong layer, as a share of the largest value. Values count if they show the error,
 * else the weights and the bias do. Returns undefined if no number shows the error.
 */
function differenceShare({ behavior, cause, maxShare, perChannel }: LayerComparison): number | undefined {
	if (behavior?.status === 'mismatch') {
		return behavior.maxShare === undefined ? undefined : Math.max(behavior.maxShare, maxShare ?? 0);
	}
	const isShown = perChannel.boundRatio?.some((ratio) => !(ratio <= 1)) ?? false;
	const isPlacement = cause !== null && PLACEMENT.has(cause);
	return isShown && !isPlacement ? maxShare : undefined;
}

const PLACEMENT: ReadonlySet<CauseCode> = new Set(PLACEMENT_CAUSES);
