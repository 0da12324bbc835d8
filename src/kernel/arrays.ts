import type { FloatType } from '../core/numbers/float-formats.js';
import type { FloatData } from './types.js';

/** Creates an array for elements of `type`. */
export function createArray(type: FloatType, length: number): FloatData {
	return type === 'float32'
		? new Float32Array(length)
		: type === 'float64'
			? new Float64Array(length)
			: new Uint16Array(length);
}

/** @throws {TypeError} if `data` is not the kind of array that holds `type` */
export function checkArray(name: string, data: FloatData, type: FloatType): void {
	const expected = createArray(type, 0).constructor;
	if (data.constructor !== expected) {
		throw new TypeError(`${name} is a ${data.constructor.name}, but ${type} elements need a ${expected.name}.`);
	}
}
