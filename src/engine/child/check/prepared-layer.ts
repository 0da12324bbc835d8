import type { Affine } from '../../../core/batchnorm/affine.js';
import type { RoundingBound } from '../../../core/batchnorm/bound.js';
import type { DeviationForm } from '../../../core/batchnorm/handbuilt-deviation.js';
import type { FloatFormat, FloatType } from '../../../core/numbers/float-formats.js';
import type { Moments } from '../../../core/numbers/moments.js';
import type { LayerParameters, LayerReport } from '../../../core/report/types.js';
import type { FloatData, Layout } from '../../../kernel/types.js';

/** Data and numbers of a layer that recomputing needs. */
export interface PreparedLayer {
	/** Input, row-major, in the shape of `shape`. */
	readonly x: FloatData;
	readonly dtype: FloatType;
	readonly shape: readonly number[];
	readonly layout: Layout;
	/** Format that x was rounded to when it was captured, while the layer may have got it before rounding. */
	readonly roundedTo?: FloatFormat;
	/** True: scale and shift per activation (C * planeSize); false: per channel. */
	readonly perActivation: boolean;
	/** y = scale * x + shift. Length C, or C * planeSize if `perActivation`. */
	readonly scale: Float64Array;
	readonly shift: Float64Array;
	readonly bound: RoundingBound;
	/** Scale and shift as the runtime probably computes them. */
	readonly predicted?: Affine;
	/**
	 * Parameters for the report, and the scale and shift of the running statistics, also in training mode. Absent for a
	 * decomposed layer, because its structure report is complete.
	 */
	readonly reported?: { readonly parameters: LayerParameters; readonly affine: NonNullable<LayerReport['affine']> };
	/** Training mode: the exact moments of the batch, per channel, which the layer normalizes with. */
	readonly moments?: Moments;
	/** A hand-built normalization: the input in the order of its rows. Scale, shift and bound then have a value per row. */
	readonly arranged?: Arranged;
	/** Deviation of a hand-built normalization. */
	readonly deviation?: DeviationForm;
}

/**
 * A tensor with its axes in another order, so that the values of a row share mean, variance, gamma and beta. Its layout is
 * a single image with a channel per row.
 */
export interface Arranged extends Pick<PreparedLayer, 'x' | 'layout'> {
	/** Axis of the layer's input for each axis. */
	readonly order: readonly number[];
	/** Row -> channel of the layer. */
	readonly channelOf: Int32Array;
}
