import { LINEAR_TYPES } from '../../onnx/graph/linear-types.js';
import type { Node } from '../../onnx/model.js';
import { type CauseCode, PLACEMENT_CAUSES } from '../../report/causes.js';
import type { LayerBehavior } from '../../report/comparison/behavior.js';
import type { DifferingOperator, LayerComparison } from '../../report/comparison/comparison.js';
import { formatNumber, shortNumber } from '../../text/numbers.js';
import { count } from '../../text/sentences.js';
import type { Deviation } from '../affine/compare-maps.js';
import type { RegionDifference } from '../affine/region-record.js';
import type { MatchedNetworks } from '../pairing/partners.js';
import { cannotTell } from './judge-fold.js';

/** Reason why values do not show an error of single weights. */
const HIDDEN = 'This input does not show the error: it moves the values by less than rounding may.';

/** Verdicts that coefficients change. */
export interface ReportedDifferences {
	readonly layers: readonly LayerComparison[];
	/** Operators of regions without a layer. */
	readonly operators: readonly DifferingOperator[];
}

/**
 * Adds differences of coefficients to the verdicts. Layers in the region of a difference did not arrive, even if the
 * values agree.
 * @param layers of the original, by layer index
 */
export function reportDifferences(
	layers: readonly LayerComparison[],
	{ original, kept }: Pick<MatchedNetworks, 'original' | 'kept'>,
	differences: readonly RegionDifference[],
): ReportedDifferences {
	const operators: DifferingOperator[] = [];
	// With an operator behind a kept layer, the rows of a region are channels of the operator, not of the layer.
	const claims = (index: number, { rows, nodes }: { readonly rows: number; readonly nodes: readonly Node[] }) => {
		const { node } = original.layers[index];
		const isInFront =
			kept.has(original.layers[index]) &&
			nodes.some(({ opType, index: at }) => LINEAR_TYPES.has(opType) && at > node.index);
		return !(layers[index].status === 'mismatch' && isInFront) && claimsMore(layers[index], rows);
	};
	const byLayer = new Map<
		number,
		{ readonly evidence: string; readonly rows: number; readonly nodes: readonly Node[] }
	>();
	for (const region of differences.filter(isEdited)) {
		const { original: nodes, deployed, difference } = region;
		const inside = Array.from(original.layers.keys()).filter((index) => nodes.includes(original.layers[index].node));
		const carriers = deployed.filter(
			({ opType }) => !['Add', 'Sub', 'Concat', 'Split', 'BatchNormalization'].includes(opType),
		);
		const name = (carriers[0] ?? deployed[0])?.name || (carriers[0] ?? deployed[0])?.outputs[0] || '';
		const evidence = sentence(name, region);
		for (const index of inside) {
			byLayer.set(index, { evidence, rows: difference.rows.length, nodes });
		}
		const isShown = inside.some((index) => {
			const layer = layers[index];
			return layer.status === 'mismatch' || claims(index, { rows: difference.rows.length, nodes });
		});
		if (!isShown && difference.worst) {
			const { found, expected, bound } = difference.worst;
			const maxAbs = Math.abs(found - expected);
			const maxRel = maxAbs / Math.max(Math.abs(found), Math.abs(expected));
			operators.push({ name, evidence, maxAbs, bound, maxRel, ...(region.isAdded && { isAdded: true }) });
		}
	}
	return {
		layers: layers.map((layer, index) => {
			const edited = byLayer.get(index);
			if (edited) {
				return claims(index, edited) ? asMismatch(layer, edited.evidence) : layer;
			}
			const node = original.layers[index].node;
			const regions = differences.filter((region) => region.original.includes(node));
			// Where the values arrived, a region that differs rests on a wrong pair of inner tensors.
			const equal = regions.filter(hasEqualCoefficients);
			const isEqual = equal.length > 0 && (equal.length === regions.length || layer.behavior?.status === 'match');
			return isEqual && isRefuted(layer) ? asArrived(layer, kept.has(original.layers[index])) : layer;
		}),
		operators,
	};
}

/**
 * Maximum share of differing numbers after edits of single numbers. A fold with another formula changes most numbers.
 */
const MAX_EDITED_SHARE = 0.5;

/** True for a region in which single numbers were changed. */
export function isEdited({ difference, isCertain = false, isMisplaced = false }: RegionDifference): boolean {
	const { different, compared } = difference;
	return isCertain || (!isMisplaced && different > 0 && different <= MAX_EDITED_SHARE * compared);
}

/** True for a region with the coefficients of the original. */
export function hasEqualCoefficients({ difference, isMisplaced = false }: RegionDifference): boolean {
	return difference.different === 0 && !isMisplaced;
}

function sentence(operator: string, { difference, isReordered = false, isAdded = false }: RegionDifference): string {
	const { different, compared, worst } = difference;
	if (worst && isAdded) {
		return `${operator} is not in the original, and ${different === 1 ? 'a number' : `${different} numbers`} of ${compared} in it ${different === 1 ? 'changes' : 'change'} the values: number ${worst.row} is ${formatNumber(worst.found, DIGITS)}, and ${worst.expected} would change none. The operators in front of it are right.`;
	}
	if (worst?.part === 'constant') {
		const order = isReordered ? ', and they are the same numbers in another order' : '';
		return `${count(different, 'number')} of ${compared} in ${operator} ${different === 1 ? 'is' : 'are'} not the original's${order}: number ${worst.row} is ${formatNumber(worst.found, DIGITS)} instead of ${formatNumber(worst.expected, DIGITS)}. The operators in front of it are right.`;
	}
	const which = `${count(different, 'coefficient')} of ${compared} in ${operator} ${different === 1 ? 'is' : 'are'} not what the original's constants give`;
	return worst
		? `${which}: the ${placeOf(worst)} is ${formatNumber(worst.found, DIGITS)} instead of ${formatNumber(worst.expected, DIGITS)}, ${distance(worst)}.`
		: `${which}.`;
}

/** Digits that show a float32 apart from its neighbors, nearly. */
const DIGITS = 7;

const placeOf = ({ part, row }: Deviation): string =>
	part === 'weight' ? `weight of output channel ${row}` : `bias of output channel ${row}`;

function distance({ found, expected, bound }: Deviation): string {
	return `${shortNumber(Math.abs(found - expected))} apart; rounding explains ${shortNumber(bound)}`;
}

const PLACEMENT: ReadonlySet<CauseCode> = new Set(PLACEMENT_CAUSES);

/** True unless the parameters already show an error in as few rows. */
function claimsMore(
	{ status, cause, causes, maxAbs, perChannel: { boundRatio } }: LayerComparison,
	rows: number,
): boolean {
	const wrong = boundRatio?.reduce((sum, ratio) => sum + Number(!(ratio <= 1)), 0) ?? 0;
	if (status !== 'mismatch') {
		// Parameters that arrived stay right if another branch of the region did not arrive.
		return (status !== 'match' && status !== 'kept') || maxAbs === null;
	}
	// Coefficients of a quantized region have the room of all its grids, which hides rows that the parameters show.
	const isOnGrid = causes.includes('quantized-int8');
	return cause !== 'unknown' && cause !== null && !PLACEMENT.has(cause) && !isOnGrid && wrong > rows;
}

/**
 * True for a layer that equal coefficients show to be right: without a run, or behind the place where the models part,
 * its values cannot judge it, and an error too small for the values to show would change them.
 */
function isRefuted({ status, cause, behavior }: LayerComparison): boolean {
	const isPlaced = cause === null || !PLACEMENT.has(cause);
	const isUnjudged = behavior?.status === 'behind' || behavior?.status === 'skipped';
	return (
		(status === 'unmatched' && isUnjudged) ||
		(status === 'mismatch' && isPlaced && (isUnjudged || behavior?.status === 'match'))
	);
}

/** Confidence in a verdict that coefficients alone give. */
const CONFIDENCE = 0.99;

function asArrived(layer: LayerComparison, isKept: boolean): LayerComparison {
	const { behavior } = layer;
	const evidence = `The layer arrived in another form: every coefficient between the functions around it is that of the original.${behavior?.status === 'behind' ? ' The models part in front of it.' : ''}`;
	return {
		...layer,
		...(behavior?.status === 'match' && { behavior: withoutReason(behavior) }),
		...cannotTell(evidence),
		status: isKept ? 'kept' : 'match',
		cause: null,
		confidence: CONFIDENCE,
	};
}

/** Leaves out why values did not show an error that there is not. */
const withoutReason = ({ reason, ...behavior }: LayerBehavior): LayerBehavior => behavior;

/** Returns a layer as a mismatch without a known cause. @param evidence sentence */
export function unexplained(layer: LayerComparison, evidence: string): LayerComparison {
	return { ...layer, status: 'mismatch', cause: 'unknown', causes: ['unknown'], confidence: 0, evidence };
}

function asMismatch(layer: LayerComparison, evidence: string): LayerComparison {
	const { behavior } = layer;
	return {
		...unexplained(layer, evidence),
		...(behavior && { behavior: behavior.status === 'match' ? { ...behavior, reason: HIDDEN } : behavior }),
	};
}

/** Maximum number of operators described in notes. */
const MAX_DESCRIBED = 3;

/** Returns the sentences of the first operators, and the number of the remaining operators. */
export function describeOperators(operators: readonly DifferingOperator[]): string[] {
	const more = operators.length - MAX_DESCRIBED;
	const sentences = operators.slice(0, MAX_DESCRIBED).map(({ evidence }) => evidence);
	return more > 0 ? [...sentences, `${count(more, 'more operator')} differ in the same way.`] : sentences;
}
