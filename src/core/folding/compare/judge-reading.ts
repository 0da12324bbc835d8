import { type FoldInputs, foldCase } from '../diagnosis/observed/fold-case.js';
import type { FoldParameters } from '../operators/expected.js';
import type { ReadPartners } from '../pairing/partners.js';
import type { ExtendedLayer } from '../targets/layers-behind.js';
import type { FoldTarget } from '../targets/target.js';
import { cannotTell, hasArrived, judgeFold, type Verdict } from './judge-fold.js';
import { withOperators } from './placement-verdicts.js';

/** One assignment of the deployed values to the expected ones. */
export type Reading = ReadPartners &
	Pick<FoldInputs, 'foundAdded' | 'parameters' | 'withoutLayer'> &
	Pick<ExtendedLayer, 'operators'>;

/**
 * Returns the verdict of the first reading that is correct, else of the first reading, which is the natural one.
 * Another wrong reading replaces it only by explaining more.
 */
export function judgeReadings(readings: readonly Reading[], target: FoldTarget): Verdict {
	const [natural, ...others] = readings;
	const right = others.length > 0 ? readings.find((reading) => isRight(reading, target)) : undefined;
	const first = judgeWeights(right ?? natural, target);
	if (first.cause !== 'unknown') {
		return first;
	}
	for (const reading of others.filter(({ foundAdded }) => foundAdded === natural.foundAdded)) {
		const verdict = judgeWeights(reading, target);
		if (verdict.status === 'mismatch' && verdict.cause !== 'unknown') {
			return verdict;
		}
	}
	return first;
}

export function isRight(reading: Reading, target: FoldTarget): boolean {
	const fold = foldCase({ ...reading, target, foundOperator: reading.into });
	return fold.ok && hasArrived(fold.value);
}

export function judgeWeights(reading: Reading, target: FoldTarget): Verdict {
	const fold = foldCase({ ...reading, target, foundOperator: reading.into });
	if (!fold.ok) {
		return cannotTell(fold.reason);
	}
	const { parameters, operators } = reading;
	const verdict = judgeFold(fold.value, { epsilon: parameters.epsilon, operator: target.operator.kind });
	return operators.length > 0 ? withOperators(verdict, operators) : verdict;
}

/** Returns parameters of a layer without effect, arrays of shape (rows). */
export function noLayer(rows: Int32Array): FoldParameters {
	const channels = rows.reduce((most, channel) => Math.max(most, channel + 1), 0);
	const [zero, one] = [new Float64Array(channels), new Float64Array(channels).fill(1)];
	return { gamma: one, beta: zero, mean: zero, variance: one, epsilon: 0 };
}
