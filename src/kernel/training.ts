import type { FloatType } from '../core/numbers/float-formats.js';
import { biasedVariance, unbiasedVariance } from './moments.js';
import type { FloatData, Kernel, Layout, Moments, StatisticsAxes } from './types.js';

/** Parameters of the unfolded form y = scale * (x - center) + shift, as Kernel.apply takes them. */
export interface CenteredParameters {
	readonly scale: Float64Array;
	readonly center: Float64Array;
	readonly shift: Float64Array;
	/** Whether the arrays have length C * inner rather than C. */
	readonly perActivation: boolean;
}

/** Shape (C) each; per activation also C * inner (ONNX spatial=0). */
export interface Learned {
	readonly gamma: Float64Array;
	readonly beta: Float64Array;
}

/**
 * gamma * (x - mean) / sqrt(variance + epsilon) + beta with the statistics of one of the three methods. Per location there
 * is one mean for a position in all channels, and still one gamma for a channel.
 */
export function centeredParameters(
	{ mean, variance }: { readonly mean: Float64Array; readonly variance: Float64Array },
	axes: StatisticsAxes,
	{ channels, inner }: Layout,
	{ gamma, beta }: Learned,
	epsilon: number,
): CenteredParameters {
	const perActivation = axes !== 'channel' || gamma.length > channels;
	const width = perActivation ? inner : 1;
	const length = channels * width;
	const scale = new Float64Array(length);
	const center = new Float64Array(length);
	const shift = new Float64Array(length);
	for (let c = 0, k = 0; c < channels; c++) {
		for (let i = 0; i < width; i++, k++) {
			const statistic = axes === 'channel' ? c : axes === 'activation' ? k : i;
			const learned = gamma.length === length ? k : c;
			scale[k] = gamma[learned] / Math.sqrt(variance[statistic] + epsilon);
			center[k] = mean[statistic];
			shift[k] = beta[learned];
		}
	}
	return { scale, center, shift, perActivation };
}

export interface TrainingRequest extends Learned {
	readonly x: FloatData;
	readonly type: FloatType;
	readonly layout: Layout;
	readonly epsilon: number;
	/** Default: per channel. */
	readonly axes?: StatisticsAxes;
	/** Where y goes, see Kernel.apply. */
	readonly out: FloatData;
}

/**
 * Algorithm 1 of arXiv 1502.03167: normalises with the batch's own mean and biased variance, then scales and shifts.
 * Values that are not finite take no part in the statistics.
 * @returns the statistics, for the running ones.
 */
export function normalizeBatch(kernel: Kernel, request: TrainingRequest): Moments {
	const { x, type, layout, epsilon, axes = 'channel', out } = request;
	const moments = kernel.moments(x, type, layout, axes);
	const statistics = { mean: moments.mean, variance: biasedVariance(moments) };
	kernel.apply({ x, type, layout, out, ...centeredParameters(statistics, axes, layout, request, epsilon) });
	return moments;
}

export interface RunningStatistics {
	readonly mean: Float64Array;
	readonly variance: Float64Array;
}

/**
 * How a framework carries running statistics on, with the momentum it speaks of:
 * `onnx` (operator BatchNormalization, training_mode=1): running * momentum + batch * (1 - momentum), biased variance;
 * `pytorch` (torch.nn.BatchNorm): running * (1 - momentum) + batch * momentum, unbiased variance.
 */
export type MomentumConvention = 'onnx' | 'pytorch';

/** Running statistics after one more batch. A statistic without values stays as it was. */
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
