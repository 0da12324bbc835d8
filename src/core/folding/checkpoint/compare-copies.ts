import { FLOAT_FORMATS } from '../../numbers/float-formats.js';
import type { DifferingOperator } from '../../report/comparison/comparison.js';
import { shortNumber } from '../../text/numbers.js';
import type { CheckpointWeights, PairedValues, PairedWeight } from './read-weights.js';

/** Roundings that computing a fold once more may cost: scale, product, and the bias's sum. */
const ROUNDINGS = 16;

/**
 * Compares deployed operators that have the rows of a weight, but no layer of their own. A model that applies an operator
 * and its layer several times has as many copies of the fold, so each must be like another one, or like the checkpoint's
 * weight without a layer.
 * @param free weights that no layer has taken
 * @returns the copies that differ from all others by more than rounding
 */
export async function compareCopies(
	free: readonly PairedWeight[],
	paired: readonly PairedWeight[],
	read: CheckpointWeights['read'],
): Promise<readonly DifferingOperator[]> {
	const differing: DifferingOperator[] = [];
	for (const copy of free.filter(({ copyOf }) => copyOf !== undefined)) {
		const values = await read(copy.trial, copy.pair.deployed);
		const others = paired.filter(
			(weight) => weight !== copy && (weight.copyOf === copy.copyOf || weight.reading.weight === copy.copyOf),
		);
		// Steps of a grid would hide what rounding does not.
		if (!values || values.isQuantized) {
			continue;
		}
		const siblings = (await Promise.all(others.map(({ trial, pair }) => read(trial, pair.deployed)))).flatMap(
			(each) => each ?? [],
		);
		const { weight, bias } = values.original;
		const references = [...siblings, { deployed: weight, deployedBias: bias }];
		const [first, ...rest] = references.map((reference) => worstOf(values, reference, values.stored));
		const nearest = rest.reduce((a, b) => (b.excess < a.excess ? b : a), first);
		if (nearest && nearest.excess > 1) {
			const { found, expected, bound, part } = nearest;
			const maxAbs = Math.abs(found - expected);
			const { name } = copy.pair.deployed;
			differing.push({
				...{ name, maxAbs, bound, maxRel: maxAbs / Math.max(Math.abs(found), Math.abs(expected)) },
				evidence: `${name} has the rows of "${copy.copyOf?.name}" in the checkpoint, as another operator of the deployed model does, but other numbers than that and than the checkpoint: ${part} is ${shortNumber(found)} instead of ${shortNumber(expected)}. Both come from an operator that is applied several times, so one of the folds is wrong.`,
			});
		}
	}
	return differing;
}

interface Worst {
	readonly part: string;
	readonly found: number;
	readonly expected: number;
	readonly bound: number;
	/** Difference as a multiple of the bound. */
	readonly excess: number;
}

/** Returns the number of a copy that is furthest from another operator's. */
function worstOf(
	{ deployed, deployedBias }: PairedValues,
	other: Pick<PairedValues, 'deployed' | 'deployedBias'>,
	stored: PairedValues['stored'],
): Worst {
	const { unitRoundoff, tiny } = FLOAT_FORMATS[stored];
	let worst: Worst = { part: '', found: 0, expected: 0, bound: 0, excess: 0 };
	const look = (part: string, a: ArrayLike<number>, b: ArrayLike<number>) => {
		const largest = Array.from(b).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
		for (let index = 0; index < a.length; index++) {
			// A bias is a sum, which may cancel.
			const bound = ROUNDINGS * unitRoundoff * (part === 'a bias' ? largest : Math.abs(b[index])) + tiny;
			const excess = Math.abs(a[index] - b[index]) / bound;
			if (!(excess <= worst.excess)) {
				worst = { part, found: a[index], expected: b[index], bound, excess };
			}
		}
	};
	look('a weight', deployed, other.deployed);
	const zeros = new Float64Array(deployedBias?.length ?? other.deployedBias?.length ?? 0);
	look('a bias', deployedBias ?? zeros, other.deployedBias ?? zeros);
	return worst;
}
