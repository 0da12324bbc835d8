import type { FloatType } from '../../../src/core/numbers/float-formats.js';
import { biasedVariance, type Moments, unbiasedVariance } from '../../../src/core/numbers/moments.js';
import type { FloatData, Kernel, Layout, StatisticsAxes } from '../../../src/kernel/index.js';
import { centeredParameters, type Learned } from '../../../src/kernel/methods/centered-parameters.js';

/** Batch normalization in training mode, made of the kernels that judge it: the tests' own runtime. */

export interface TrainingRequest extends Learned {
	readonly x: FloatData;
	readonly dtype: FloatType;
	readonly layout: Layout;
	readonly epsilon: number;
	/** Default: per channel. */
	readonly axes?: StatisticsAxes;
	/** Receives y, see Kernel.apply. */
	readonly out: FloatData;
}

/**
 * Algorithm 1 of arXiv 1502.03167: normalizes with the batch's mean and biased variance, then scales and shifts. Values
 * that are not finite take no part in the statistics.
 * @returns the moments of the batch
 */
export function normalizeBatch(kernel: Kernel, request: TrainingRequest): Moments {
	const { x, dtype, layout, epsilon, axes = 'channel', out, gamma, beta } = request;
	const moments = kernel.moments(x, dtype, layout, axes);
	const statistics = { mean: moments.mean, variance: biasedVariance(moments) };
	const parameters = centeredParameters({ statistics, axes, layout, learned: { gamma, beta }, epsilon });
	kernel.apply({ x, dtype, layout, out, ...parameters });
	return moments;
}

export interface RunningStatistics {
	readonly mean: Float64Array;
	readonly variance: Float64Array;
}

/**
 * How a framework updates running statistics:
 * `onnx` (operator BatchNormalization, training_mode=1): running * momentum + batch * (1 - momentum), biased variance;
 * `pytorch` (torch.nn.BatchNorm): running * (1 - momentum) + batch * momentum, unbiased variance.
 */
export type MomentumConvention = 'onnx' | 'pytorch';

/** Running statistics after one more batch. A statistic without values keeps its old value. */
export function updateRunning(
	running: RunningStatistics,
	batch: Moments,
	momentum: number,
	convention: MomentumConvention,
): RunningStatistics {
	const keep = convention === 'onnx' ? momentum : 1 - momentum;
	const variance = convention === 'onnx' ? biasedVariance(batch) : unbiasedVariance(batch);
	const carry = (old: Float64Array, current: Float64Array) =>
		old.map((value, k) => (batch.count[k] > 0 ? value * keep + current[k] * (1 - keep) : value));
	return { mean: carry(running.mean, batch.mean), variance: carry(running.variance, variance) };
}
