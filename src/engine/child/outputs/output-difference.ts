import { distance } from '../../../core/folding/values/difference.js';
import { rmsOf, sketchOf } from '../../../core/folding/values/sketch.js';
import { decibels } from '../../../core/folding/values/value-pairing.js';
import { numbersOf } from '../tensors/numbers.js';
import type { RuntimeTensor } from '../tensors/tensor.js';

/**
 * Allowed multiple of the change that probes show. A fold rounds each weight and bias once more (about one unit roundoff,
 * in every layer). A probe perturbs inputs or constants; the runs' own rounding adds to that. Measured over eight networks,
 * PyTorch's folds and ours moved the outputs by 0.2 to 2.7 times as much as the probes.
 */
const SAFETY = 16;

export interface Difference {
	/** Largest |a - b|. */
	readonly maxAbs: number;
	/** `maxAbs` over the largest |a|. */
	readonly maxRel: number;
	/** Largest difference that rounding explains. */
	readonly bound: number;
	/** Signal-to-noise ratio in dB: 20 log10 of rms(a) / rms(a - b). Infinity for equal tensors. */
	readonly snrDb: number;
	/** maxAbs / bound: above 1 is more than rounding. */
	readonly ratio: number;
	/** Reason for missing numbers: 'not-finite', or a sentence. */
	readonly problem?: string;
}

/** Largest distance that rounding can move a tensor. */
export interface Rounding {
	/** Largest change that perturbed inputs caused; undefined counts as 0. */
	readonly probe: number | undefined;
	/** Unit roundoff of the coarser model. */
	readonly unitRoundoff: number;
	/** Absolute error of the function that computes the tensor; 0 by default. */
	readonly resolution?: number;
}

/**
 * Returns the largest distance between two tensors; infinite for different sizes, or if only the first or only the
 * second value is finite.
 */
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

/** Compares a tensor of original (`a`) and deployed model (`b`). */
export function differenceOf(
	a: RuntimeTensor | undefined,
	b: RuntimeTensor | undefined,
	{ probe = 0, unitRoundoff, resolution = 0 }: Rounding,
): Difference {
	const none = { maxAbs: 0, maxRel: 0, bound: 0, snrDb: Number.NaN, ratio: Number.POSITIVE_INFINITY };
	if (!a || !b) {
		return { ...none, problem: 'An output of one model is missing in the other.' };
	}
	const values = numbersOf(a);
	if (b.data.length !== values.length) {
		const problem = `An output has shape [${a.dims.join(', ')}] in the original and [${b.dims.join(', ')}] in the deployed model.`;
		return { ...none, problem };
	}
	const largest = largestOf(values);
	if (!Number.isFinite(largest)) {
		return { ...none, problem: 'not-finite' };
	}
	const maxAbs = spreadOf(a, b);
	const bound = SAFETY * (probe + unitRoundoff * largest) + 2 * resolution;
	if (maxAbs === 0) {
		return { maxAbs, maxRel: 0, bound, snrDb: Number.POSITIVE_INFINITY, ratio: 0 };
	}
	const snrDb = decibels(rmsOf(sketchOf(values)), distance(values, numbersOf(b)).rms);
	return { maxAbs, maxRel: maxAbs / largest, bound, snrDb, ratio: maxAbs / bound };
}

/** Returns the largest magnitude; infinite if a value is not finite. */
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
