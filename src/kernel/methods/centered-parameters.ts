import type { Layout, StatisticsAxes } from '../types.js';

/** Parameters of y = scale * (x - center) + shift, as Kernel.apply takes them. */
export interface CenteredParameters {
	/** Length C, or C * planeSize (row-major) with `perActivation`; center and shift too. */
	readonly scale: Float64Array;
	readonly center: Float64Array;
	readonly shift: Float64Array;
	readonly perActivation: boolean;
}

/** Learned parameters. Length C, or C * planeSize per activation (spatial=0). */
export interface Learned {
	readonly gamma: Float64Array;
	readonly beta: Float64Array;
}

export interface CenteredRequest {
	/** Length C, C * planeSize or planeSize each, as `axes` says. */
	readonly statistics: { readonly mean: Float64Array; readonly variance: Float64Array };
	readonly axes: StatisticsAxes;
	readonly layout: Layout;
	readonly learned: Learned;
	readonly epsilon: number;
}

/**
 * Returns the parameters of gamma * (x - mean) / sqrt(variance + epsilon) + beta with statistics over `axes`. Per location
 * all channels share the mean of a position, and each channel still has its own gamma.
 */
export function centeredParameters(request: CenteredRequest): CenteredParameters {
	const { axes, epsilon } = request;
	const { mean, variance } = request.statistics;
	const { channels, planeSize } = request.layout;
	const { gamma, beta } = request.learned;
	const perActivation = axes !== 'channel' || gamma.length > channels;
	const width = perActivation ? planeSize : 1;
	const length = channels * width;
	const scale = new Float64Array(length);
	const center = new Float64Array(length);
	const shift = new Float64Array(length);
	for (let c = 0, k = 0; c < channels; c++) {
		for (let i = 0; i < width; i++, k++) {
			const statistic = axes === 'channel' ? c : axes === 'activation' ? k : i;
			const parameter = gamma.length === length ? k : c;
			scale[k] = gamma[parameter] / Math.sqrt(variance[statistic] + epsilon);
			center[k] = mean[statistic];
			shift[k] = beta[parameter];
		}
	}
	return { scale, center, shift, perActivation };
}
