import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import type { LayerParameters, LayerReport, Normalization } from '../../../core/report/types.js';
import { METHODS, methodSize } from '../../../kernel/methods/methods.js';
import { whichMethod } from '../../../kernel/methods/which-method.js';
import type { FloatData, Kernel, Moments } from '../../../kernel/types.js';
import type { PreparedLayer } from './prepare-layer.js';

/**
 * Approximate number of values of a layer that are judged. Methods differ by far more than rounding in nearly every value,
 * and judging a thousand takes longer than verifying all, since code that runs this seldom is never optimized.
 */
const MAX_VALUES = 64;

export interface LayerOutput {
	/** Output, of the type and size of the prepared input. */
	readonly y: FloatData;
	/** Of the input, per channel. */
	readonly moments: Moments;
	readonly parameters: LayerParameters | null;
	/** Scale and shift of the stored statistics. */
	readonly affine: LayerReport['affine'];
}

/** Judges which method turned a layer's input into the runtime's output. */
export function judgeNormalization(
	{ epsilon }: Pick<BatchNormLayer, 'epsilon'>,
	{ x, dtype, layout }: PreparedLayer,
	{ y, moments, parameters, affine }: LayerOutput,
	kernel: Kernel,
): Normalization {
	const { verdict, reason, residuals, tolerance, margin, values } = whichMethod(kernel, {
		...{ x, y, dtype, layout, epsilon, moments, maxValues: MAX_VALUES },
		...(parameters && { learned: parameters }),
		...(affine && { running: affine }),
	});
	return {
		verdict,
		...(reason !== undefined && { reason }),
		methods: [
			...METHODS.map((method) => {
				const { statistics, count: effectiveBatch } = methodSize(layout, method);
				return { method, statistics, effectiveBatch, ...residual(residuals[method]) };
			}),
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
