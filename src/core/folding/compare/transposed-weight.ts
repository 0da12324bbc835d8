import type { LayerComparison } from '../../report/comparison/comparison.js';
import type { FoldCase } from '../diagnosis/observed/fold-case.js';
import type { DeployedPrecision } from '../diagnosis/observed/precision.js';
import type { ExpectedFold } from '../operators/expected.js';
import { forEachRun } from '../operators/layout.js';

type Verdict = Omit<LayerComparison, 'name' | 'into'>;

/** Confidence in a transposed weight with the right bias, and with another one. */
const CONFIDENCE = { bias: 0.99, weight: 0.9 } as const;

/** Order of the two steps of a converter. */
const STEPS = {
	'fold-first': 'after the fold',
	'transpose-first': 'before the fold',
} as const;

/**
 * Names the weight of a mismatch without a cause that has its input and output channels exchanged, which only a square
 * weight allows.
 * @param isBiasRight true if the bias alone is what the fold gives
 */
export function withTransposedWeight(
	verdict: Verdict,
	fold: FoldCase,
	{ expected, precision, isBiasRight }: TransposedSearch,
): Verdict {
	const [rows, columns] = fold.dims;
	const isSquare = rows === columns && rows > 1 && fold.original.layout.groups === 1;
	if (!isSquare || fold.withoutLayer === 'forward') {
		return verdict;
	}
	const step = (['fold-first', 'transpose-first'] as const).find((order) =>
		isTransposed(fold, expected.scale, precision, order),
	);
	if (!step) {
		return verdict;
	}
	const { similarity: _, ...details } = verdict.details;
	return {
		...verdict,
		cause: 'transposed-weight',
		causes: ['transposed-weight'],
		confidence: isBiasRight ? CONFIDENCE.bias : CONFIDENCE.weight,
		evidence: `The weight is transposed: its input and output channels were exchanged ${STEPS[step]}, which the square shape ${fold.dims.join(' x ')} hides. All ${rows * columns} pairs of channels fit; the bias is ${isBiasRight ? 'right' : 'wrong, too'}.`,
		details,
		alternatives: [],
	};
}

interface TransposedSearch {
	readonly expected: ExpectedFold;
	readonly precision: Pick<DeployedPrecision, 'tolerance' | 'absolute'>;
	readonly isBiasRight: boolean;
}

/** True if every deployed weight is within rounding of the transposed one, and some differ from the original's. */
function isTransposed(
	{ original, deployed, dims }: FoldCase,
	scale: Float64Array,
	{ tolerance, absolute }: TransposedSearch['precision'],
	order: keyof typeof STEPS,
): boolean {
	const [size] = dims;
	const kernel = original.weight.length / (size * size);
	const rowAt = new Int32Array(original.weight.length);
	forEachRun(original.layout, (row, start) => rowAt.fill(row, start, start + original.layout.inner));
	let hasMoved = false;
	for (let index = 0; index < original.weight.length; index++) {
		const position = index % kernel;
		const pair = (index - position) / kernel;
		const source = ((pair % size) * size + Math.floor(pair / size)) * kernel + position;
		const by = scale[rowAt[order === 'fold-first' ? source : index]];
		const expected = original.weight[source] * by;
		const allowed = tolerance.weightRelative * Math.abs(expected) + absolute[rowAt[index]];
		if (!(Math.abs(deployed.weight[index] - expected) <= allowed)) {
			return false;
		}
		hasMoved ||= Math.abs(original.weight[index] * scale[rowAt[index]] - expected) > allowed;
	}
	return hasMoved;
}
