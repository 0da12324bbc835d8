import { affine } from '../../batchnorm/affine.js';
import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { layerParameters } from '../operators/layer-parameters.js';

/** Largest distance of a neutral layer from scale 1 and shift 0, because of epsilon. */
const NEUTRAL = 1e-3;

/** True if a layer hands on its input. */
export function isNeutral(layer: BatchNormLayer): boolean {
	const parameters = layerParameters(layer);
	if (!parameters.ok) {
		return false;
	}
	const { gamma, beta, mean, variance, epsilon } = parameters.value;
	const { scale, shift } = affine(gamma, beta, mean, variance, epsilon);
	return scale.every((value) => Math.abs(value - 1) < NEUTRAL) && shift.every((value) => Math.abs(value) < NEUTRAL);
}
