import type { FailedRun, LayerReport, Report, RunSummary, SkippedRun } from './types.js';

/** Reports are immutable. Each result shares all unchanged parts. */

/** A part of an inspection's result, in the order in which the parts become known. */
export type ReportEvent =
	/** The structure, before the model runs. */
	| { readonly type: 'structure'; readonly report: Report }
	/** Report of a layer, complete for the runs so far. `index`: of the layer in the report. */
	| { readonly type: 'layer'; readonly index: number; readonly layer: LayerReport }
	| { readonly type: 'run'; readonly run: RunSummary };

/**
 * Returns the report with the event's part. An event about a layer that the report does not have at its index, for
 * example because the file has changed, returns the report itself.
 */
export function applyEvent(report: Report, event: ReportEvent): Report;
export function applyEvent(report: Report | undefined, event: ReportEvent): Report | undefined;
export function applyEvent(report: Report | undefined, event: ReportEvent): Report | undefined {
	switch (event.type) {
		case 'structure':
			return event.report;
		case 'layer':
			return report?.layers[event.index]?.name === event.layer.name
				? { ...report, layers: report.layers.with(event.index, event.layer) }
				: report;
		case 'run':
			return report && { ...report, run: event.run };
		default:
			return event satisfies never;
	}
}

/**
 * Returns the report of a run that has ended. Layers that are still pending become skipped, so that no page waits for
 * them. A layer with a verdict keeps it, however the run ended.
 * @param notChecked sentence: why the pending layers were not checked
 */
export function endRun(report: Report, run: RunSummary, notChecked: string): Report {
	const layers = report.layers.map(
		(layer): LayerReport =>
			layer.recompute.status === 'pending' ? { ...layer, recompute: { status: 'skipped', reason: notChecked } } : layer,
	);
	return { ...report, layers, run };
}

/** End of a run that did not complete. */
type Interruption = Pick<FailedRun, 'status' | 'reason' | 'failedAt'> | Pick<SkippedRun, 'status' | 'reason'>;

/** Returns the summary of a run that ended early, or never began. Keeps the facts known so far. */
export function interruptedRun({ runtime, inputs, milliseconds }: RunSummary, end: Interruption): RunSummary {
	return { ...end, runtime, inputs, milliseconds };
}
