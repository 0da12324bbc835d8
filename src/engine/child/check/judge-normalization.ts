import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import type { LayerParameters, LayerReport, Normalization } from '../../../core/report/types.js';
import { METHODS, methodSize } from '../../../kernel/methods.js';
import type { FloatData, Kernel, Moments } from '../../../kernel/types.js';
import { whichMethod } from '../../../kernel/which-method.js';
import type { PreparedLayer } from './prepare-layer.js';

/**
 * About how many values of a layer are judged: methods differ by far more than rounding in nearly every value, and a
 * thousand would take longer than verifying all of them, because code that a model runs this seldom is never optimised.
 */
const MOST_VALUES = 64;

export interface LayerOutput {
	/** Type and size of the prepared input. */
	readonly y: FloatData;
	/** Of the input, per channel. */
	readonly moments: Moments;
	readonly parameters: LayerParameters | null;
	/** Scale and shift of the stored statistics. */
	readonly affine: LayerReport['affine'];
}

/** Which method turned a layer's input into the runtime's output. */
export function judgeNormalization(
	{ epsilon }: Pick<BatchNormLayer, 'epsilon'>,
	{ x, type, layout }: PreparedLayer,
	{ y, moments, parameters, affine }: LayerOutput,
	kernel: Kernel,
): Normalization {
	const { verdict, reason, residuals, tolerance, margin, values } = whichMethod(kernel, {
		...{ x, y, type, layout, epsilon, moments, most: MOST_VALUES },
		...(parameters && { learned: parameters }),
		...(affine && { running: affine }),
	});
	return {
		verdict,
		...(reason !== undefined && { reason }),
		methods: [
			...METHODS.map((method) => ({ method, ...methodSize(layout, method), ...residual(residuals[method]) })),
			...(affine
				? [{ method: 'running' as const, statistics: affine.scale.length, ...residual(residuals.running) }]
				: []),
		],
		...(Number.isFinite(tolerance) && { tolerance }),
		...(margin !== undefined && { margin }),
		values,
	};
}

function residual(value: number | undefined): { residual?: number } {
	return value === undefined ? {} : { residual: value };
}
