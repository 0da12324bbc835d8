import { chanceLimits, DEFAULT_DRIFT_THRESHOLDS, type Drift, driftOf } from '../batchnorm/drift.js';
import type { LayerReport } from './types.js';

/** How far the data of a run lie from a layer's running statistics; null where one of them is not known. */
export function layerDrift({ parameters, batch, epsilon }: LayerReport): Drift | null {
	return parameters && batch && driftOf({ parameters, batch, epsilon });
}

/** What chance may do to each with that many images, taken generously; Infinity where they tell nothing. */
export function driftByChance({ batch }: LayerReport): { readonly shift: number; readonly spread: number } {
	// How many images there were is not in every report.
	return chanceLimits(batch?.images ?? 0, DEFAULT_DRIFT_THRESHOLDS.standardErrors);
}

/** Index of the first layer, in graph order, whose statistics do not fit the data; null: all fit, or nobody looked. */
export function firstDrifted(layers: readonly LayerReport[]): number | null {
	const index = layers.findIndex(({ findings }) => findings.some(({ code }) => code === 'statistics-drift'));
	return index < 0 ? null : index;
}
