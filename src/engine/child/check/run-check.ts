import type { RepairCheck } from '../../../core/report/repair-result.js';
import type { LayerReport, RunSummary } from '../../../core/report/types.js';
import { count } from '../../../core/text/sentences.js';

/** Judges the runtime's run of a written model. */
export function runCheck(layers: readonly LayerReport[], run: RunSummary): RepairCheck {
	const wrong = layers.find(({ recompute }) => recompute.status === 'mismatch');
	if (wrong) {
		const reason = `onnxruntime does not compute ${wrong.name} as the written model states it: inspect that model.`;
		return { status: 'skipped', reason };
	}
	const matching = layers.filter(({ recompute }) => recompute.status === 'match').length;
	if (run.status !== 'ok' || matching < layers.length) {
		const unchecked = layers.find(({ recompute }) => recompute.status === 'skipped');
		const reason = run.reason ?? unchecked?.recompute.reason ?? 'The runtime did not run the model.';
		return { status: 'skipped', reason };
	}
	const computed = layers.length > 0 ? `, and computes ${count(layers.length, 'BatchNorm layer')} correctly` : '';
	return { status: 'match', evidence: `onnxruntime runs the written model${computed}.` };
}
