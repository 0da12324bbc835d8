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
	const one = new Float64Array(scale.length).fill(1);
	return success({ gamma: scale, beta: shift, mean: zero, variance: one, epsilon: 0 });
}

/**
 * Returns the parameters of a layer without effect, arrays of shape (channels).
 * @param rows channel of each row of the operator's weight.
 */
export function identityParameters(rows: Int32Array): FoldParameters {
	const channels = rows.reduce((most, channel) => Math.max(most, channel + 1), 0);
	const [zero, one] = [new Float64Array(channels), new Float64Array(channels).fill(1)];
	return { gamma: one, beta: zero, mean: zero, variance: one, epsilon: 0 };
}
