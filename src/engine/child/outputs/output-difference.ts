import type { RuntimeTensor } from '../runtime/runtime.js';
import { fromNumbers } from '../tensors/elements.js';
import { seededRandom } from '../tensors/random.js';
import { numbersOf, type Tensors } from './model-session.js';

/** Tensor name -> largest change that perturbed inputs made. */
export type Probes = ReadonlyMap<string, number>;

/** Half width of the perturbation of inputs, in units roundoff. */
const PERTURBATION = 4;
/**
 * Allowed multiple of what perturbed inputs show. A fold rounds each weight and bias once more (about one unit roundoff,
 * in every layer), the perturbation comes in at the front only and is joined there by the runs' own rounding: over
 * eight networks, PyTorch's folds and ours moved the outputs by 0.2 to 2.7 times what the probes did.
 */
const SAFETY = 16;

export interface Difference {
	/** Largest |a - b|. */
	readonly maxAbs: number;
	/** The same over the largest |a|. */
	readonly maxRel: number;
	readonly bound: number;
	/** maxAbs / bound: above 1 is more than rounding. */
	readonly ratio: number;
	/** Why there are no numbers: 'not-finite', or one sentence. */
	readonly problem?: string;
}

/** The inputs with every floating value changed by a few units roundoff `u`, relative, at random. */
export function perturb(feeds: Tensors, u: number, seed: number): Tensors {
	const random = seededRandom(seed);
	return new Map(
		[...feeds].map(([name, tensor]) => {
			const values = tensor.type.includes('float') ? numbersOf(tensor) : undefined;
			if (!values) {
				return [name, tensor];
			}
			const moved = Float64Array.from(values, (value) => value * (1 + PERTURBATION * u * (2 * random.uniform() - 1)));
			return [name, { ...tensor, data: fromNumbers(moved, tensor.type, name) }];
		}),
	);
}

/** Largest distance between two tensors of one shape; infinite where only one of them is finite. */
export function spreadOf(a: RuntimeTensor | undefined, b: RuntimeTensor | undefined): number {
	const [x, y] = [a && numbersOf(a), b && numbersOf(b)];
	if (!x || !y || x.length !== y.length) {
		return Number.POSITIVE_INFINITY;
	}
	let largest = 0;
	for (let i = 0; i < x.length; i++) {
		const distance = Math.abs(x[i] - y[i]);
		if (distance > largest) {
			largest = distance;
		} else if (Number.isNaN(distance) && !Object.is(x[i], y[i])) {
			return Number.POSITIVE_INFINITY;
		}
	}
	return largest;
}

/**
 * @param probe how far rounding moves `a`
 * @param u unit roundoff of the coarser model
 */
export function differenceOf(
	a: RuntimeTensor | undefined,
	b: RuntimeTensor | undefined,
	probe: number | undefined,
	u: number,
): Difference {
	const none = { maxAbs: 0, maxRel: 0, bound: 0 };
	const values = a && numbersOf(a);
	if (!a || !b || !values) {
		return { ...none, ratio: Number.POSITIVE_INFINITY, problem: 'An output of one model is missing in the other.' };
	}
	if (numbersOf(b)?.length !== values.length) {
		const problem = `An output has shape [${a.dims.join(', ')}] in the original and [${b.dims.join(', ')}] in the deployed model.`;
		return { ...none, ratio: Number.POSITIVE_INFINITY, problem };
	}
	const largest = largestOf(values);
	if (!Number.isFinite(largest)) {
		return { ...none, ratio: Number.POSITIVE_INFINITY, problem: 'not-finite' };
	}
	const maxAbs = spreadOf(a, b);
	const bound = SAFETY * ((probe ?? 0) + u * largest);
	return { maxAbs, maxRel: maxAbs === 0 ? 0 : maxAbs / largest, bound, ratio: maxAbs === 0 ? 0 : maxAbs / bound };
}

/** Largest magnitude; infinite when not all values are finite. */
function largestOf(values: Float32Array | Float64Array): number {
	let largest = 0;
	for (let i = 0; i < values.length; i++) {
		const size = Math.abs(values[i]);
		if (!(size <= largest)) {
			largest = Number.isNaN(size) ? Number.POSITIVE_INFINITY : size;
		}
	}
	return largest;
}
