import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { PARAMETER_NAMES, parameterValues } from '../../batchnorm/parameters.js';
import { type Result, success } from '../../result.js';
import type { FoldParameters } from './expected.js';

/** Returns a layer's parameters for folding: separate if they are known, else as a plain scale and shift. */
export function layerParameters(layer: BatchNormLayer): Result<FoldParameters> {
	const resolved = parameterValues(layer);
	if (resolved.ok) {
		return success({ ...resolved.value, epsilon: layer.epsilon, ...errorsOf(layer) });
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

/** Returns the errors of scale and shift that computed parameters may have in a runtime, to first order. */
function errorsOf(layer: BatchNormLayer): Pick<FoldParameters, 'scaleError' | 'shiftError'> {
	const [gamma, beta, mean, variance] = PARAMETER_NAMES.map((name) => layer[name]);
	if (![gamma, beta, mean, variance].some(({ error }) => error)) {
		return {};
	}
	const at = (values: Float64Array | null | undefined, channel: number) => values?.[channel] ?? 0;
	const channels = gamma.values ?? new Float64Array(0);
	const inside = channels.map((_, c) => Math.abs(at(variance.values, c) + layer.epsilon));
	const scaleError = channels.map((value, c) => {
		const relative = at(variance.error, c) / (2 * inside[c]);
		return (at(gamma.error, c) + Math.abs(value) * relative) / Math.sqrt(inside[c]);
	});
	const shiftError = channels.map((value, c) => {
		const scale = Math.abs(value) / Math.sqrt(inside[c]);
		return at(beta.error, c) + scale * at(mean.error, c) + Math.abs(at(mean.values, c)) * scaleError[c];
	});
	return { scaleError, shiftError };
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
