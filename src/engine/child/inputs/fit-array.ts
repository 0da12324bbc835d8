import { product } from '../../../core/numbers/arrays.js';
import { fromNumbers, isFeedable } from '../tensors/elements.js';
import { InputError } from '../tensors/errors.js';
import type { NpyArray } from '../tensors/npy.js';
import type { RuntimeValue, TensorData } from '../tensors/tensor.js';
import { isFloat } from './random-input.js';

/**
 * Checks a file's array against the declared input. Floating types are converted, other types must be equal. An array
 * without the batch axis counts as a single sample.
 * @throws {InputError}
 */
export function fitArray(array: NpyArray, input: RuntimeValue, file: string): NpyArray {
	const shape = [array.shape, [1, ...array.shape]].find((candidate) => fits(candidate, input.shape));
	if (!shape) {
		throw new InputError(
			`${file} has shape [${array.shape.join(', ')}], but input "${input.name}" takes [${input.shape?.map(sizeWords).join(', ')}].`,
		);
	}
	if (array.type === input.type) {
		return { ...array, shape };
	}
	if (isFloat(input.type) && (array.type === 'float32' || array.type === 'float64')) {
		const values = array.data as Float32Array | Float64Array;
		return { type: input.type, shape, data: fromNumbers(values, input.type, file) };
	}
	throw new InputError(
		`${file} holds ${array.type}, but input "${input.name}" takes ${input.type}.${wayOut(input.type)}`,
	);
}

/** Returns the NumPy call that converts an array to a type which a model input takes. */
function wayOut(type: string): string {
	return type === 'bfloat16' || !isFeedable(type) ? '' : ` Convert it, for example with .astype('${type}').`;
}

/** An unknown size is written as "?". */
function sizeWords(size: number | string): string {
	return size === '' || Number(size) < 0 ? '?' : String(size);
}

function fits(shape: readonly number[], declared: RuntimeValue['shape']): boolean {
	return (
		declared === undefined ||
		(declared.length === shape.length &&
			declared.every((size, axis) => typeof size !== 'number' || size < 0 || size === shape[axis]))
	);
}

/**
 * Concatenates arrays of the same type along their first axis.
 * @param files their names, for the message
 * @throws {InputError} when they differ in anything but that axis.
 */
export function stack(arrays: readonly NpyArray[], files: readonly string[]): NpyArray {
	const [first] = arrays;
	if (arrays.length === 1) {
		return first;
	}
	const inner = first.shape.slice(1).join(', ');
	const odd = arrays.findIndex(({ shape }) => shape.slice(1).join(', ') !== inner);
	if (odd >= 0) {
		throw new InputError(
			`${files[odd]} has shape [${arrays[odd].shape.join(', ')}], but [N, ${inner}] like ${files[0]} is needed to run them in one batch.`,
		);
	}
	const rows = arrays.reduce((sum, { shape }) => sum + (shape[0] ?? 1), 0);
	const shape = [rows, ...first.shape.slice(1)];
	const data = new (first.data.constructor as new (length: number) => TensorData)(product(shape));
	let at = 0;
	for (const array of arrays) {
		data.set(array.data as never, at);
		at += array.data.length;
	}
	return { type: first.type, shape, data };
}
