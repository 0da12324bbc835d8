import type { FloatType } from '../../../core/numbers/float-formats.js';
import { createArray } from '../../../kernel/arrays.js';
import type { FloatData } from '../../../kernel/types.js';
import type { TensorData } from '../tensors/tensor.js';

/**
 * Arrays that are used again and again, so that memory stays flat over many batches. New pages for each tensor would also
 * cost more time than the tensors' own computation.
 */
export class ArrayPool {
	readonly #free = new Map<string, FloatData[]>();
	readonly #own = new WeakSet<TensorData>();

	/** Returns an array with undefined contents. */
	take(dtype: FloatType, length: number): FloatData {
		const free = this.#free.get(
			keyOf(dtype === 'bfloat16' || dtype === 'float16' ? 2 : dtype === 'float32' ? 4 : 8, length),
		);
		const array = free?.pop() ?? createArray(dtype, length);
		this.#own.add(array);
		return array;
	}

	/** Takes an array back. Ignores arrays that the pool did not hand out. */
	give(array: TensorData | undefined): void {
		if (array && this.#own.delete(array)) {
			const key = keyOf(array.BYTES_PER_ELEMENT, array.length);
			const free = this.#free.get(key);
			free ? free.push(array as FloatData) : this.#free.set(key, [array as FloatData]);
		}
	}

	owns(array: TensorData): boolean {
		return this.#own.has(array);
	}
}

const keyOf = (bytes: number, length: number) => `${bytes} ${length}`;
