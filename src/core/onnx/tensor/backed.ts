import { product } from '../../numbers/arrays.js';
import type { TensorRecord } from '../model.js';
import { elementBits } from '../types.js';
import { isBorneOut } from './sparse-tensor.js';

/**
 * Maximum number of elements along an axis of a tensor with data in another file. The largest vocabularies of language
 * models have 300,000.
 */
const MAX_EXTERNAL_AXIS = 2 ** 22;

/**
 * True if the model file can hold the elements that a tensor's dims claim. A few bytes can claim 2^30 rows, so this
 * check comes before any allocation by dims. For external data it checks only a generous limit, because the size of the
 * file is not known here.
 */
export function isBacked({ dims, dataType, storage }: TensorRecord): boolean {
	const count = dims.includes(0) ? 0 : product(dims);
	const bits = elementBits(dataType);
	switch (storage.kind) {
		case 'raw':
			return storage.span.length * 8 >= count * bits;
		case 'typed':
			// A varint takes at least a byte, and holds several elements of a type below a byte.
			return storage.chunks.reduce((total, { span }) => total + span.length, 0) * 8 >= count * Math.min(8, bits);
		case 'external':
			return dims.every((dim) => dim <= MAX_EXTERNAL_AXIS);
		case 'sparse':
			return isBorneOut(count, storage);
		case 'deferred':
			return true;
		case 'none':
			return count === 0;
	}
}
