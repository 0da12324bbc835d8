import { type Affine, affine } from '../../batchnorm/affine.js';
import type { CheckpointTensor } from '../../formats/tensor.js';
import type { CauseCode } from '../../report/causes.js';
import { listWrongMaps } from '../compare/forward-faults.js';
import type { LinearOperator } from '../operators/linear.js';
import { type Branch, compareSum, plainRows, type Target } from './branch-sums.js';
import type { LayerValues } from './layer-values.js';
import { type UnmixedBranches, unmixBranches } from './unmix-branches.js';

/** Layers of parallel branches that went into one convolution, as RepVGG and MobileOne deploy their blocks. */
export interface MergedBranches {
	readonly layers: readonly LayerValues[];
	readonly operator: LinearOperator;
	/** Weights of the branches. */
	readonly weights: readonly CheckpointTensor[];
	/** Epsilons that explain the convolution. */
	readonly possible: readonly number[];
	/** The wrong layers and their cause; undefined if the convolution is the sum of the branches. */
	readonly fault: BranchFault | undefined;
	/** Largest error of weights and bias, and the largest allowed. */
	readonly maxAbs: number;
	readonly bound: number;
}

/** An error in the branches of a block. */
export interface BranchFault {
	readonly layers: readonly LayerValues[];
	readonly cause: CauseCode;
	readonly confidence: number;
	/** True if only the bias is wrong. */
	readonly hasWeights: boolean;
}

/** A block and the convolution that it may have become. */
export interface Candidate {
	readonly branches: readonly Branch[];
	readonly operator: LinearOperator;
	readonly target: Target;
}

/** Rows compared first, because most convolutions of a shape are no partner of a block. */
const SCREENED_ROWS = 2;

/** Returns the block if a convolution is the sum of its branches with a possible epsilon. */
export function judgeRight(candidate: Candidate, epsilons: readonly number[]): MergedBranches | undefined {
	const { branches } = candidate;
	const layers = branches.map(({ layer }) => layer);
	const fitting = epsilons
		.map((epsilon) => ({ epsilon, ...screenSum(candidate, mapsOf(layers, epsilon)) }))
		.filter(({ isRight }) => isRight);
	const [best] = fitting;
	return best && report(candidate, { ...best, possible: fitting.map(({ epsilon }) => epsilon), fault: undefined });
}

/** Returns the block if a convolution is the sum of its branches with other scales or shifts, and names the error. */
export function judgeFault(candidate: Candidate, epsilons: readonly number[]): MergedBranches | undefined {
	const { branches, target } = candidate;
	const layers = branches.map(({ layer }) => layer);
	const [epsilon = 0] = epsilons;
	const right = mapsOf(layers, epsilon);
	for (const [at, layer] of layers.entries()) {
		for (const { cause, map } of listWrongMaps({ ...layer.parameters, epsilon: layer.layer.epsilon ?? epsilon })) {
			const sum = screenSum(
				candidate,
				right.map((own, index) => (index === at ? map : own)),
			);
			if (sum.isRight) {
				return report(candidate, {
					...sum,
					fault: { layers: [layer], cause, confidence: NAMED_CONFIDENCE, hasWeights: false },
				});
			}
		}
	}
	const [rows = 0] = target.dims;
	const sum = compareSum(branches, right, target, rows);
	if (sum.hasWeights) {
		// The bias is a sum, too, so that no branch can be named.
		return report(candidate, { ...sum, fault: { layers, cause: 'unknown', confidence: 0, hasWeights: true } });
	}
	const parts = branches.map((branch) => plainRows(branch, target));
	const unmixed = unmixBranches(parts, target.weight, rows);
	return unmixed && report(candidate, { ...sum, fault: explainScales(layers, right, unmixed) });
}

/** Relative error of the scale of a branch up to which it is right. The scales of small branches are known less well. */
const SAME_SCALE = 1e-2;
/** Confidence in an error of the catalogue, in permuted parameters, and in other statistics. */
const [NAMED_CONFIDENCE, PERMUTED_CONFIDENCE, STATISTICS_CONFIDENCE] = [0.9, 0.8, 0.5];

/** Explains the scales of the branches of a sum. A single branch with other scales is named. */
function explainScales(
	layers: readonly LayerValues[],
	right: readonly Affine[],
	{ scales, isSum }: UnmixedBranches,
): BranchFault {
	const isOther = (found: Float64Array, at: number) =>
		found.some((value, row) => isSum[row] === 1 && !isSameScale(value, right[at].scale[row]));
	const others = scales.flatMap((found, at) => (isOther(found, at) ? [{ found, at }] : []));
	const [first] = others;
	const layer = first && layers[first.at];
	if (!layer || others.length > 1 || isSum.includes(0)) {
		const named = others.map(({ at }) => layers[at]);
		return {
			layers: isSum.includes(0) || named.length === 0 ? layers : named,
			cause: 'unknown',
			confidence: 0,
			hasWeights: false,
		};
	}
	const [found, expected] = [first.found, right[first.at].scale].map((values) => values.toSorted());
	if (found.every((value, row) => isSameScale(value, expected[row]))) {
		return { layers: [layer], cause: 'parameters-permuted', confidence: PERMUTED_CONFIDENCE, hasWeights: false };
	}
	const isPossible = first.found.every((value, row) => value * layer.parameters.gamma[row] > 0);
	return isPossible
		? { layers: [layer], cause: 'stale-statistics', confidence: STATISTICS_CONFIDENCE, hasWeights: false }
		: { layers: [layer], cause: 'unknown', confidence: 0, hasWeights: false };
}

const isSameScale = (found: number, expected: number): boolean =>
	Math.abs(found - expected) <= SAME_SCALE * Math.abs(expected);

type Found = Pick<MergedBranches, 'maxAbs' | 'bound' | 'fault'> & Partial<Pick<MergedBranches, 'possible'>>;

function report({ branches, operator }: Candidate, { maxAbs, bound, fault, possible = [] }: Found): MergedBranches {
	const layers = branches.map(({ layer }) => layer);
	return { layers, operator, weights: branches.flatMap(({ weight }) => weight ?? []), possible, fault, maxAbs, bound };
}

/** Compares a convolution with a sum of branches; the first rows alone if they differ. */
function screenSum({ branches, target }: Candidate, maps: readonly Affine[]) {
	const [rows = 0] = target.dims;
	const screened = compareSum(branches, maps, target, Math.min(SCREENED_ROWS, rows));
	return screened.isRight ? compareSum(branches, maps, target, rows) : screened;
}

function mapsOf(layers: readonly LayerValues[], epsilon: number): readonly Affine[] {
	return layers.map(({ layer, parameters: { gamma, beta, mean, variance } }) =>
		affine(gamma, beta, mean, variance, layer.epsilon ?? epsilon),
	);
}
