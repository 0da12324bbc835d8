import type { FloatType } from '../../../core/numbers/float-formats.js';
import { createArray } from '../../../kernel/arrays.js';
import type { Kernel } from '../../../kernel/types.js';
import type { RuntimeTensor } from '../tensors/tensor.js';
import { rearrange } from './prepare-handbuilt.js';
import type { PreparedLayer } from './prepared-layer.js';

/**
 * Computes a layer's output, in the shape of its input.
 * @param dtype element type of the output: that of the input, or float32 for half types
 */
export function recomputeOutput(prepared: PreparedLayer, dtype: FloatType, kernel: Kernel): RuntimeTensor {
	const { scale, shift, shape, perActivation, arranged } = prepared;
	const { x, layout } = arranged ?? prepared;
	const out = createArray(dtype, x.length);
	kernel.apply({ x, dtype: prepared.dtype, layout, scale, shift, perActivation, out });
	return { type: dtype, dims: shape, data: arranged ? rearrange(out, shape, arranged) : out };
}
