import { toHalf } from '../../../core/numbers/small-floats.js';
import { InputError } from './errors.js';
import type { TensorData } from './tensor.js';

/**
 * Puts numbers into an array of the runtime's element type.
 * @param name what holds them, for the message
 * @throws {InputError} for types that are not numeric or boolean.
 */
export function fromNumbers(values: ArrayLike<number>, type: string, name: string): TensorData {
	return fillElements(type, values.length, (index) => values[index], name);
}

/**
 * Makes elements in order from `next`, called once per element.
 * @throws {InputError} for types that are not numeric or boolean.
 */
export function fillElements(type: string, length: number, next: (index: number) => number, name: string): TensorData {
	const array = allocate(type, length);
	if (array === undefined) {
		throw new InputError(`${name} has element type ${type}, which cannot be fed.`);
	}
	if (array instanceof BigInt64Array || array instanceof BigUint64Array) {
		for (let i = 0; i < length; i++) {
			array[i] = BigInt(Math.trunc(next(i)));
		}
	} else if (type === 'float16' || type === 'bfloat16') {
		for (let i = 0; i < length; i++) {
			array[i] = toHalf(next(i), type);
		}
	} else {
		for (let i = 0; i < length; i++) {
			array[i] = next(i);
		}
	}
	return array;
}

/** True if tensors of this type can be fed. */
export function isFeedable(type: string): boolean {
	return allocate(type, 0) !== undefined;
}

function allocate(type: string, length: number): TensorData | undefined {
	switch (type) {
		case 'float32':
			return new Float32Array(length);
		case 'float64':
			return new Float64Array(length);
		case 'float16':
		case 'bfloat16':
		case 'uint16':
			return new Uint16Array(length);
		case 'int64':
			return new BigInt64Array(length);
		case 'uint64':
			return new BigUint64Array(length);
		case 'int32':
			return new Int32Array(length);
		case 'uint32':
			return new Uint32Array(length);
		case 'int16':
			return new Int16Array(length);
		case 'int8':
			return new Int8Array(length);
		case 'uint8':
		case 'bool':
			return new Uint8Array(length);
		default:
			return undefined;
	}
}
