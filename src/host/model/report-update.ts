import type { LayerReport, Report, RunSummary } from '../../core/report/types.js';

/** Reports are immutable: each function answers a new one that shares what did not change. */

/** @returns undefined when the layer is not the one that the report has at `index`: the file changed in between. */
export function withLayer(report: Report, index: number, layer: LayerReport): Report | undefined {
	if (report.layers[index]?.name !== layer.name) {
		return undefined;
	}
	return { ...report, layers: report.layers.with(index, layer) };
}

export function withRun(report: Report, run: RunSummary): Report {
	return { ...report, run };
}

/** Marks every layer that still waits for its verdict as skipped, so that no page waits for it any longer. */
export function withoutResults(report: Report, reason: string): Report {
	const layers = report.layers.map(
		(layer): LayerReport =>
			layer.recompute.status === 'pending' ? { ...layer, recompute: { status: 'skipped', reason } } : layer,
	);
	return { ...report, layers };
}
