import { type FoldInputs, foldCase } from '../diagnosis/observed/fold-case.js';
import type { ReadPair } from '../pairing/partners.js';
import type { ExtendedLayer } from '../targets/layers-behind.js';
import type { FoldTarget } from '../targets/target.js';
import { cannotTell, hasArrived, judgeFold, type Verdict } from './judge-fold.js';
import { addOperators } from './placement-verdicts.js';

/**
 * A possible course of a fold. Variants differ in the constant that counts as the deployed bias, in the original
 * weights (with or without a layer folded forward into them), and in the layer (with or without the operators behind
 * it).
 */
export type FoldVariant = ReadPair &
	Pick<FoldInputs, 'deployedAddition' | 'parameters' | 'withoutLayer'> &
	Pick<ExtendedLayer, 'operators'>;

/**
 * Returns the verdict of the first correct variant, else of the first variant, which is the natural choice. Another
 * wrong variant replaces it only if it explains more.
 */
export function judgeVariants(variants: readonly FoldVariant[], target: FoldTarget): Verdict {
	const [natural, ...rest] = variants;
	const right = rest.length > 0 ? variants.find((variant) => isRight(variant, target)) : undefined;
	const verdict = judgeVariant(right ?? natural, target);
	if (verdict.cause !== 'unknown') {
		return verdict;
	}
	for (const variant of rest.filter(({ deployedAddition }) => deployedAddition === natural.deployedAddition)) {
		const explained = judgeVariant(variant, target);
		if (explained.status === 'mismatch' && explained.cause !== 'unknown') {
			return explained;
		}
	}
	return verdict;
}

/** True if the deployed weights carry this variant of the fold. */
export function isRight(variant: FoldVariant, target: FoldTarget): boolean {
	const fold = foldOf(variant, target);
	return fold.ok && hasArrived(fold.value);
}

/** True as {@link isRight}, or if quantization explains the rest. */
export function isRightOrRounded(variant: FoldVariant, target: FoldTarget): boolean {
	const isQuantized = variant.deployedWeights.grid !== undefined;
	return isRight(variant, target) || (isQuantized && judgeVariant(variant, target).status === 'match');
}

export function judgeVariant(variant: FoldVariant, target: FoldTarget): Verdict {
	const fold = foldOf(variant, target);
	if (!fold.ok) {
		return cannotTell(fold.reason);
	}
	const { parameters, operators } = variant;
	const verdict = judgeFold(fold.value, { epsilon: parameters.epsilon, operator: target.operator.kind });
	return operators.length > 0 ? addOperators(verdict, operators) : verdict;
}

function foldOf(variant: FoldVariant, target: FoldTarget) {
	return foldCase({ ...variant, target, deployedOperator: variant.pair.deployed });
}
