import { mapInto } from '../../../core/numbers/arrays.js';
import { widen } from '../../../core/numbers/small-floats.js';
import { fromNumbers } from './elements.js';
import type { RuntimeTensor } from './tensor.js';

/** Returns a tensor's elements as numbers, half types widened; 64-bit integers are rounded to float64. */
export function numbersOf({ type, data }: RuntimeTensor): Float32Array | Float64Array {
	if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
		return mapInto<Float64Array, bigint>(new Float64Array(data.length), data, Number);
	}
	if (data instanceof Uint16Array && (type === 'float16' || type === 'bfloat16')) {
		return widen(data, type, { start: 0, stride: 1, length: data.length });
	}
	return data instanceof Float32Array || data instanceof Float64Array ? data : Float64Array.from(data);
}

/**
 * Returns the same numbers in another element type.
 * @param name begins the error message
 * @throws {InputError} for types that are not numeric or boolean.
 */
export function convert(tensor: RuntimeTensor, type: string, name: string): RuntimeTensor {
	return tensor.type === type ? tensor : { type, dims: tensor.dims, data: fromNumbers(numbersOf(tensor), type, name) };
}
