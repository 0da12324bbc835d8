import { chanceLimits, DEFAULT_DRIFT_THRESHOLDS, type Drift, driftOf, statisticsDrift } from '../batchnorm/drift.js';
import type { Finding, LayerReport } from '../report/types.js';

/**
 * Returns the drift of a run's data from a layer's running statistics, per channel; null if either is unknown, or if the
 * data were random.
 */
export function layerDrift({ parameters, batch, epsilon }: LayerReport): Drift | null {
	return parameters && batch && !batch.isRandom ? driftOf({ parameters, batch, epsilon }) : null;
}

/**
 * Returns the drift that chance may cause with the run's number of images. Infinity if the images are too few to show
 * drift.
 */
export function driftByChance({ batch }: LayerReport): { readonly shift: number; readonly spread: number } {
	// Older reports lack the number of images.
	return chanceLimits(batch?.images ?? 0, DEFAULT_DRIFT_THRESHOLDS.standardErrors);
}

/** Returns the index of the first layer with drift, in graph order; null if none drifts or drift was not judged. */
export function firstDrifted(layers: readonly LayerReport[]): number | null {
	const index = layers.findIndex(({ findings }) => findings.some(({ code }) => code === 'statistics-drift'));
	return index < 0 ? null : index;
}

/**
 * Returns the drift of a run's data from the running statistics of a layer in training mode, as a finding. The layer does not
 * use them before a switch to inference, so the report has no such finding.
 */
export function driftInTraining({ mode, axes, parameters, batch, epsilon }: LayerReport): Finding | undefined {
	if (mode !== 'training' || axes !== 'channel' || !parameters || !batch || batch.isRandom) {
		return undefined;
	}
	return statisticsDrift({ parameters, batch, epsilon, images: batch.images ?? 1 })[0];
}
