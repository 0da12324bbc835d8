import type { LayerReport, Report, RunSummary } from '../../core/report/types.js';

/** Reports are immutable. Each function returns a new report that shares all unchanged parts. */

/** @returns undefined if the report has another layer at `index`, because the file has changed. */
export function withLayer(report: Report, index: number, layer: LayerReport): Report | undefined {
	if (report.layers[index]?.name !== layer.name) {
		return undefined;
	}
	return { ...report, layers: report.layers.with(index, layer) };
}

export function withRun(report: Report, run: RunSummary): Report {
	return { ...report, run };
}

/** Marks each layer without a verdict as skipped, so that no page waits for it. */
export function withoutResults(report: Report, reason: string): Report {
	const layers = report.layers.map(
		(layer): LayerReport =>
			layer.recompute.status === 'pending' ? { ...layer, recompute: { status: 'skipped', reason } } : layer,
	);
	return { ...report, layers };
}
