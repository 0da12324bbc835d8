import { squaredDeviation } from '../../../core/batchnorm/handbuilt-deviation.js';
import type { BatchNormLayer, HandBuilt } from '../../../core/batchnorm/layer.js';
import { nameAxes, resolveAxes } from '../../../core/batchnorm/normalized-axes.js';
import type { Moments } from '../../../core/numbers/moments.js';
import type { LayerParameters, LayerReport, Normalization } from '../../../core/report/types.js';
import { METHODS, methodSize } from '../../../kernel/methods/methods.js';
import { whichMethod } from '../../../kernel/methods/which-method.js';
import type { FloatData, Kernel } from '../../../kernel/types.js';
import { permute } from './permute.js';
import { layoutOf, type PreparedLayer } from './prepare-layer.js';

/**
 * Approximate number of judged values of a layer. Methods differ by far more than rounding in nearly every value. This
 * code runs so seldom that V8 never optimizes it, so judging a thousand values takes longer than verifying all.
 */
const MAX_VALUES = 64;

export interface LayerOutput {
	/** Output, of the type and size of the prepared input. */
	readonly y: FloatData;
	/** Moments of the input, per channel. */
	readonly moments: Moments;
	readonly learned: Pick<LayerParameters, 'gamma' | 'beta'> | null;
	/** Scale and shift of the stored statistics. */
	readonly affine: LayerReport['affine'];
}

/** Maximum number of elements of a tensor that is copied to bring its channels to axis 1. */
const MAX_COPIED = 1 << 22;

/**
 * Judges which method turned a layer's input into the runtime's output.
 * @returns undefined if the layer is hand-built over other axes than those of the three methods, or with gamma or beta not per channel, or if the channels lie on another axis than 1 of a tensor too large to be copied
 */
export function judgeNormalization(
	{ epsilon, channelAxis, handBuilt }: Pick<BatchNormLayer, 'epsilon' | 'channelAxis' | 'handBuilt'>,
	prepared: PreparedLayer,
	{ y: output, moments, learned, affine }: LayerOutput,
	kernel: Kernel,
): Normalization | undefined {
	const { dtype, shape, deviation } = prepared;
	// A fit of one slope per channel could not tell other gammas and betas from a wrong method.
	if (handBuilt && (learned === null || !isMethod(handBuilt, shape, channelAxis))) {
		return undefined;
	}
	const isMoved = shape.length > 1 && channelAxis !== 1 && channelAxis !== 0 && channelAxis + shape.length !== 1;
	if (isMoved && output.length > MAX_COPIED) {
		return undefined;
	}
	const order = channelsToAxis1(channelAxis, shape.length);
	const inOrder = (data: FloatData) => (isMoved ? permute(data, shape, order) : data);
	const [x, y] = [inOrder(prepared.x), inOrder(output)];
	const layout = isMoved ? layoutOf(order.map((axis) => shape[axis])) : prepared.layout;
	const { verdict, reason, residuals, tolerance, margin, values } = whichMethod(kernel, {
		...{ x, y, dtype, layout, epsilon, moments, maxValues: MAX_VALUES },
		...(learned && { learned }),
		...(deviation && { epsilon: 0, varianceOf: (biased) => squaredDeviation(deviation, biased) }),
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

/** True for axes of method 1, 2 or 3, the candidates of the judgment. */
function isMethod({ axes, regrouped }: HandBuilt, shape: readonly number[], channelAxis: number): boolean {
	const rank = shape.length;
	const reduced = resolveAxes(axes, rank);
	return (
		reduced !== undefined && [1, 2, 3].some((method) => method === nameAxes({ reduced, rank, channelAxis, regrouped }))
	);
}

/** Returns the order of axes that puts the channels second. */
function channelsToAxis1(channelAxis: number, rank: number): number[] {
	const at = channelAxis < 0 ? channelAxis + rank : channelAxis;
	const rest = Array.from({ length: rank }, (_, axis) => axis).filter((axis) => axis !== at);
	return [...rest.slice(0, 1), at, ...rest.slice(1)];
}

function residual(value: number | undefined): { residual?: number } {
	return value === undefined ? {} : { residual: value };
}
