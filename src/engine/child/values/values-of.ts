import type { ValueTensor } from '../../../core/folding/values/difference.js';
import { numbersOf } from '../tensors/numbers.js';
import type { RuntimeTensor } from '../tensors/tensor.js';

/** Returns a captured tensor's values, which may share its memory. */
export function valuesOf(tensor: RuntimeTensor): ValueTensor {
	return { dims: tensor.dims, values: numbersOf(tensor) };
}
