import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { parameterValues } from '../../batchnorm/parameters.js';
import { type Result, success } from '../../result.js';
import type { FoldParameters } from './expected.js';

/** Returns a layer's parameters for folding: separate if they are known, else as a plain scale and shift. */
export function layerParameters(layer: BatchNormLayer): Result<FoldParameters> {
	const resolved = parameterValues(layer);
	if (resolved.ok) {
		return success({ ...resolved.value, epsilon: layer.epsilon });
	}
	if (!layer.affine) {
		return resolved;
	}
	// The constants of this decomposed layer cannot be separated. x * scale + shift is a BN with mean 0 and variance 1.
	const { scale, shift } = layer.affine;
	const zero = new Float64Array(scale.length);
	const variance = new Float64Array(scale.length).fill(1);
	return success({ gamma: scale, beta: shift, mean: zero, variance, epsilon: 0 });
}
