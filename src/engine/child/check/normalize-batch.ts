import { affine } from '../../../core/batchnorm/affine.js';
import type { BoundParameters, RoundingBound } from '../../../core/batchnorm/bound.js';
import { biasedVariance, type Moments } from '../../../core/numbers/moments.js';
import type { LayerParameters } from '../../../core/report/types.js';
import type { PreparedLayer } from './prepared-layer.js';

/**
 * Returns scale, shift and bound with the statistics of the data.
 * @param spread repeats statistics for each row of gamma and beta
 */
export function normalizeWith(
	{ gamma, beta, epsilon }: Pick<LayerParameters, 'gamma' | 'beta'> & { readonly epsilon: number },
	moments: Moments,
	spread: (values: Float64Array) => Float64Array,
	boundOf: (parameters: BoundParameters) => RoundingBound,
): Pick<PreparedLayer, 'scale' | 'shift' | 'bound'> {
	// Moments leave out values that are not finite; the layer's own statistics include them.
	const spoilt = (values: Float64Array) =>
		spread(values.map((value, i) => (moments.nonFinite[i] > 0 ? Number.NaN : value)));
	const used = { gamma, beta, mean: spoilt(moments.mean), variance: spoilt(biasedVariance(moments)), epsilon };
	return { ...affine(gamma, beta, used.mean, used.variance, epsilon), bound: boundOf(used) };
}
