import type { LayerComparison } from '../../report/comparison/comparison.js';
import { shortNumber } from '../../text/numbers.js';
import { count, listChannels } from '../../text/sentences.js';
import type { Explanation } from '../diagnosis/explanation.js';
import type { FoldCase } from '../diagnosis/observed/fold-case.js';

type Verdict = Omit<LayerComparison, 'name' | 'into'>;

/** Rounding of the dequantized limit to float32, with a margin. */
const LIMIT_SLACK = 2 ** -20;
/** Confidence in the cause. An int32 may reach its limit by chance. */
const CONFIDENCE = 0.99;

/** Returns the rows with an int32 bias at its limit although the explanation predicts more; ascending. */
export function clippedRows({ grid, deployed }: FoldCase, { bias }: Pick<Explanation, 'bias'>): number[] {
	const limits = grid?.biasLimit;
	if (!limits) {
		return [];
	}
	return Array.from(limits.keys()).filter((row) => {
		const least = limits[row] * (1 - LIMIT_SLACK);
		return Math.abs(bias[row]) > limits[row] * (1 + LIMIT_SLACK) && Math.abs(deployed.bias?.[row] ?? 0) >= least;
	});
}

/**
 * Adds clipped biases to a verdict: as the only cause of an otherwise right fold, or as a further cause of a wrong
 * fold.
 */
export function withClippedBias(verdict: Verdict, fold: FoldCase, { rows, bias }: ClippedRows): Verdict {
	const [first] = rows;
	if (first === undefined) {
		return verdict;
	}
	const all = fold.parameters.gamma.length;
	const found = fold.deployed.bias?.[first] ?? 0;
	const clipped = `the int32 bias of ${listChannels(rows)} is clipped at the end of its range: ${shortNumber(found)} instead of ${shortNumber(bias[first])}`;
	const details = { ...verdict.details, 'bias-clipped': { rows: [...rows], found, expected: bias[first] } };
	if (verdict.status === 'mismatch') {
		const isKnown = verdict.cause !== 'unknown';
		return {
			...verdict,
			...(isKnown && { causes: [...verdict.causes, 'bias-clipped'] }),
			evidence: `${verdict.evidence.replace(/\.$/, '')}; ${clipped}.`,
			details,
		};
	}
	return {
		...verdict,
		status: 'mismatch',
		cause: 'bias-clipped',
		causes: verdict.cause ? ['bias-clipped', verdict.cause] : ['bias-clipped'],
		confidence: CONFIDENCE,
		evidence: `${all - rows.length} of ${count(all, 'channel')} carry the right fold; ${clipped}.`,
		details,
	};
}

/** Rows with a clipped bias, and the predicted bias of each row. */
interface ClippedRows {
	readonly rows: readonly number[];
	readonly bias: Float64Array;
}
