import { layerDrift } from '../../core/inspection/layer-drift.js';
import type { LayerReport } from '../../core/report/types.js';

export const HEATMAP_METRICS = ['scale', 'offset', 'variance', 'drift', 'spread', 'error'] as const;
export type HeatmapMetric = (typeof HEATMAP_METRICS)[number];

/** Scale of a metric: in both directions from zero, or from low to high. */
export const METRIC_KIND: Readonly<Record<HeatmapMetric, 'diverging' | 'sequential'>> = {
	scale: 'diverging',
	offset: 'diverging',
	variance: 'sequential',
	drift: 'diverging',
	spread: 'diverging',
	error: 'sequential',
};

const LOGARITHMIC: Readonly<Record<HeatmapMetric, boolean>> = {
	scale: true,
	offset: false,
	variance: true,
	drift: false,
	spread: false,
	error: true,
};

/** Returns the metric, indexed by channel, in the unit of strings.overview.metrics; null if the report has no values. */
export function metricValues(layer: LayerReport, metric: HeatmapMetric): Float64Array | null {
	const { affine, parameters, recompute, epsilon } = layer;
	switch (metric) {
		case 'scale':
			return affine?.scale.map(Math.abs) ?? null;
		case 'offset':
			return parameters?.mean.map((mean, c) => mean / Math.sqrt((parameters.variance[c] ?? 0) + epsilon)) ?? null;
		case 'variance':
			return parameters && (epsilon > 0 ? parameters.variance.map((variance) => variance / epsilon) : null);
		case 'drift':
			return layerDrift(layer)?.shift ?? null;
		case 'spread':
			return layerDrift(layer)?.spread ?? null;
		case 'error':
			return boundRatios(recompute);
		default:
			return metric satisfies never;
	}
}

function boundRatios({ perChannel, bound }: LayerReport['recompute']): Float64Array | null {
	if (perChannel?.boundRatio) {
		return perChannel.boundRatio;
	}
	return perChannel && bound !== undefined && bound > 0 ? perChannel.maxAbs.map((error) => error / bound) : null;
}

/** Returns the position of a value on the color scale before limits: its logarithm for a logarithmic metric. */
export function position(value: number, metric: HeatmapMetric): number {
	return LOGARITHMIC[metric] ? Math.log10(value) : value;
}

export function valueAt(positionOnScale: number, metric: HeatmapMetric): number {
	return LOGARITHMIC[metric] ? 10 ** positionOnScale : positionOnScale;
}

export interface HeatmapData {
	/** Indexed by layer: positions of its rows, from the first channel to the last, NaN for NaN; null without values. */
	readonly columns: readonly (Float32Array | null)[];
	readonly rows: number;
	/** Positions at the ends of the color scale; a diverging scale is symmetric about 0. */
	readonly low: number;
	readonly high: number;
}

/**
 * Resamples every layer to the same number of rows. A row of several channels shows its middle channel, unless a channel
 * is far off the scale. So a single outlier among 2,048 channels stays visible, and the picture does not consist of
 * extremes.
 */
export function heatmapData(layers: readonly LayerReport[], metric: HeatmapMetric, rows: number): HeatmapData {
	const all = layers.map((layer) => metricValues(layer, metric)?.map((value) => position(value, metric)) ?? null);
	const [low, high] = limits(sample(all), METRIC_KIND[metric]);
	return { columns: all.map((values) => values && resample(values, rows, { low, high })), rows, low, high };
}

/** Distance beyond the scale from which a channel replaces the middle channel of its row, as a share of the scale. */
const OUTLIER = 0.5;

function resample(values: Float64Array, rows: number, { low, high }: { low: number; high: number }): Float32Array {
	const column = new Float32Array(rows);
	const [least, most] = [low - OUTLIER * (high - low), high + OUTLIER * (high - low)];
	for (let row = 0; row < rows; row++) {
		const first = Math.floor((row * values.length) / rows);
		const end = Math.max(first + 1, Math.floor(((row + 1) * values.length) / rows));
		let kept = values[(first + end - 1) >> 1] ?? Number.NaN;
		for (let channel = first; channel < end; channel++) {
			const value = values[channel] ?? Number.NaN;
			if (Number.isNaN(value) || value < least || value > most) {
				kept = value;
			}
		}
		column[row] = kept;
	}
	return column;
}

/** Returns at most about 20,000 finite values, sorted, for quantiles. */
function sample(all: readonly (Float64Array | null)[]): Float64Array {
	const total = all.reduce((sum, values) => sum + (values?.length ?? 0), 0);
	const step = Math.max(1, Math.floor(total / 20_000));
	const picked: number[] = [];
	let position = 0;
	for (const values of all) {
		for (let i = 0; values && i < values.length; i++) {
			const value = values[i] ?? Number.NaN;
			if (position++ % step === 0 && Number.isFinite(value)) {
				picked.push(value);
			}
		}
	}
	return Float64Array.from(picked).sort();
}

function quantile(sorted: Float64Array, share: number): number {
	return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

/** Returns the 1st and 99th percentiles, so that a single broken channel does not bleach all others. */
function limits(sorted: Float64Array, kind: 'diverging' | 'sequential'): readonly [number, number] {
	const low = quantile(sorted, 0.01);
	const high = quantile(sorted, 0.99);
	if (kind === 'diverging') {
		const reach = Math.max(Math.abs(low), Math.abs(high)) || 1;
		return [-reach, reach];
	}
	return high > low ? [low, high] : [low - 0.5, low + 0.5];
}
