import type { FloatType } from '../core/numbers/float-formats.js';
import type { FloatData, Kernel, Layout, Moments, StatisticsAxes } from './types.js';

/**
 * The three conceivable ways of taking batch statistics on a feature map (N, C, H, W), by the axes they average over.
 * Frameworks and ONNX take `channel`; ONNX up to opset 8 also `activation` (spatial=0); `location` exists in no operator.
 */
export const METHODS: readonly StatisticsAxes[] = ['location', 'activation', 'channel'];

export interface MethodSize {
	/** How many means, and variances, there are. */
	readonly statistics: number;
	/** m': values behind each of them. */
	readonly effectiveBatch: number;
}

export function methodSize({ batch, channels, inner }: Layout, axes: StatisticsAxes): MethodSize {
	switch (axes) {
		case 'location':
			return { statistics: inner, effectiveBatch: batch * channels };
		case 'activation':
			return { statistics: channels * inner, effectiveBatch: batch };
		case 'channel':
			return { statistics: channels, effectiveBatch: batch * inner };
	}
}

export interface MethodStatistics extends MethodSize {
	readonly axes: StatisticsAxes;
	readonly moments: Moments;
}

/** The statistics of one tensor by each method. */
export function methodStatistics(
	kernel: Kernel,
	x: FloatData,
	type: FloatType,
	layout: Layout,
): Readonly<Record<StatisticsAxes, MethodStatistics>> {
	const by = (axes: StatisticsAxes): MethodStatistics => ({
		axes,
		...methodSize(layout, axes),
		moments: kernel.moments(x, type, layout, axes),
	});
	return { location: by('location'), activation: by('activation'), channel: by('channel') };
}
