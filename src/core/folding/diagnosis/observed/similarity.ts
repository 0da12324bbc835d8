import { median } from '../../../numbers/arrays.js';
import type { SimilarityKind } from '../../../report/comparison/comparison.js';
import { channelCount, rowLength } from '../../operators/layout.js';
import type { FoldCase } from './fold-case.js';
import { type RowRatios, RowState, rowCosine } from './ratios.js';
import { rearrangement } from './rearranged.js';

/** Similarity of deployed and original rows that no formula connects. */
export interface RowSimilarity {
	readonly kind: SimilarityKind;
	/** Median over the rows of |cos(deployed row, original row)|; NaN if every row of either is zero. */
	readonly cosine: number;
	/** Rows that are no multiple of their original, ascending. */
	readonly distorted: readonly number[];
	/** Order of the elements for `rearranged`, in words that follow "with". */
	readonly order?: string;
}

/**
 * Minimum median |cos| of related weights. Random rows of 9 elements have 0.24, depthwise filters of two training runs
 * (all blurs and edges) up to 0.8. Pruning half of a row or adding a tenth of noise leaves more.
 */
const MIN_RELATED_COSINE = 0.85;
/** Maximum share of distorted rows after edits of single rows. */
const MAX_EDITED_SHARE = 0.34;

export function compareRows(fold: FoldCase, { state }: RowRatios): RowSimilarity {
	const { layout } = fold.original;
	const rows = Array.from({ length: channelCount(layout) }, (_, row) => row);
	const distorted = rows.filter((row) => state[row] === RowState.distorted);
	const weights = { deployed: fold.deployed.weight, original: fold.original.weight, layout };
	const cosine = median(
		rows.map((row) => Math.abs(rowCosine(weights, row, row))).filter((value) => !Number.isNaN(value)),
	);
	if (rowLength(layout) === 1) {
		return { kind: 'no-direction', cosine, distorted };
	}
	if (Number.isNaN(cosine)) {
		// No row has a direction. Zeros are correct if gamma is 0; then the bias differs.
		const isZero = fold.deployed.weight.every((value) => value === 0);
		const isRight = isZero && fold.parameters.gamma.every((value) => value === 0);
		const kind = isRight ? 'edited' : isZero ? 'zero-weights' : 'other-weights';
		return { kind, cosine, distorted };
	}
	const order = cosine >= MIN_RELATED_COSINE ? undefined : rearrangement(fold);
	if (order !== undefined) {
		return { kind: 'rearranged', cosine, distorted, order };
	}
	const kind = !(cosine >= MIN_RELATED_COSINE)
		? 'other-weights'
		: distorted.length <= MAX_EDITED_SHARE * rows.length
			? 'edited'
			: 'altered';
	return { kind, cosine, distorted };
}
