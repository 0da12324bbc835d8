import type { Layout, StatisticsAxes } from '../types.js';

/**
 * The three possible axes of batch statistics on a feature map (N, C, H, W). Frameworks and ONNX use `channel`. ONNX up to
 * opset 8 also has `activation` (spatial=0). No operator uses `location`.
 */
export const METHODS: readonly StatisticsAxes[] = ['location', 'activation', 'channel'];

export interface MethodSize {
	/** Number of means, and of variances. */
	readonly statistics: number;
	/** Number of values behind each statistic: m' of arXiv 1502.03167. */
	readonly count: number;
}

export function methodSize({ batch, channels, planeSize }: Layout, axes: StatisticsAxes): MethodSize {
	switch (axes) {
		case 'location':
			return { statistics: planeSize, count: batch * channels };
		case 'activation':
			return { statistics: channels * planeSize, count: batch };
		case 'channel':
			return { statistics: channels, count: batch * planeSize };
	}
}
