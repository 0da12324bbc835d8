import { product } from '../../../core/numbers/arrays.js';
import type { FloatData } from '../../../kernel/types.js';

/**
 * Returns a copy of a tensor with reordered axes.
 * @param data row-major, of shape `dims`
 * @param order axis of `dims` for each axis of the result
 */
export function permute(data: FloatData, dims: readonly number[], order: readonly number[]): FloatData {
	const result = new (data.constructor as new (length: number) => FloatData)(data.length);
	const steps = order.map((axis) => product(dims.slice(axis + 1)));
	const sizes = order.map((axis) => dims[axis]);
	const last = order.length - 1;
	const index = new Array<number>(order.length).fill(0);
	const run = sizes[last] ?? 1;
	const step = steps[last] ?? 1;
	for (let at = 0, from = 0; at < result.length; ) {
		for (let i = 0; i < run; i++) {
			result[at++] = data[from + i * step];
		}
		for (let axis = last - 1; axis >= 0; axis--) {
			index[axis] += 1;
			from += steps[axis];
			if (index[axis] < sizes[axis]) {
				break;
			}
			from -= steps[axis] * sizes[axis];
			index[axis] = 0;
		}
	}
	return result;
}
