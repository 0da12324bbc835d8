import { product } from '../../../core/numbers/arrays.js';
import type { Distribution } from '../../../core/report/run-choices.js';
import { fillElements, isFeedable } from '../tensors/elements.js';
import { InputError } from '../tensors/errors.js';
import type { NpyArray } from '../tensors/npy.js';
import type { Random } from '../tensors/random.js';
import { NO_TENSOR, type RuntimeValue } from '../tensors/tensor.js';

/**
 * Maximum number of elements of a random input. 2^28 float32 values are 1 GiB; a shape that requires more is usually an
 * error in the file.
 */
const MAX_ELEMENTS = 2 ** 28;

export interface MakingUp {
	readonly random: Random;
	readonly distribution: Distribution;
	/** True if values must not be negative, as for a variance. */
	readonly positive: boolean;
}

/** Returns a sentence that explains why an input needs a file; undefined if a random value will do. */
export function whyUnfed({ name, type, shape }: RuntimeValue): string | undefined {
	if (type === NO_TENSOR) {
		return `Input "${name}" is not a tensor, or does not say of which type: it cannot be fed.`;
	}
	if (!isFeedable(type)) {
		return `Input "${name}" has element type ${type}, which cannot be fed.`;
	}
	return shape ? undefined : `Input "${name}" does not say how many dimensions it has: give a file for it.`;
}

/**
 * Returns a random value for an input without a file. Floating types come from a distribution. Integers and booleans
 * are 0 or 1, because larger numbers are often indices out of range.
 * @param shape what it gets
 * @throws {InputError}
 */
export function makeUp(
	{ name, type }: RuntimeValue,
	shape: readonly number[],
	{ random, distribution, positive }: MakingUp,
): NpyArray {
	const count = product(shape);
	if (count > MAX_ELEMENTS) {
		throw new InputError(
			`Input "${name}" of shape [${shape.join(', ')}] has ${count} values, more than the ${MAX_ELEMENTS} that are made up; give a file instead.`,
		);
	}
	const draw = isFloat(type)
		? distribution === 'normal'
			? random.normal
			: random.uniform
		: () => (random.uniform() < 0.5 ? 0 : 1);
	const value = positive ? () => Math.abs(draw()) : draw;
	return { type, shape, data: fillElements(type, count, value, `Input "${name}"`) };
}

/** Describes a random value for the report. */
export function describeMadeUp({ type }: RuntimeValue, distribution: Distribution, seed: number): string {
	return `random ${isFloat(type) ? distribution : '0 or 1'}, seed ${seed}`;
}

export function isFloat(type: string): boolean {
	return type === 'float32' || type === 'float64' || type === 'float16' || type === 'bfloat16';
}
