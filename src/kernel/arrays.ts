import type { FloatType } from '../core/numbers/float-formats.js';
import type { FloatData } from './types.js';

/** Creates an array for elements of `dtype`. */
export function createArray(dtype: FloatType, length: number): FloatData {
	return dtype === 'float32'
		? new Float32Array(length)
		: dtype === 'float64'
			? new Float64Array(length)
			: new Uint16Array(length);
}

/** @throws {TypeError} if `data` is not the kind of array that holds `dtype` */
export function checkArray(name: string, data: FloatData, dtype: FloatType): void {
	const expected = createArray(dtype, 0).constructor;
	if (data.constructor !== expected) {
		throw new TypeError(`${name} is a ${data.constructor.name}, but ${dtype} elements need a ${expected.name}.`);
	}
}
