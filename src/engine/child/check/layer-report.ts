import { dataHealth } from '../../../core/batchnorm/data-health.js';
import { DEFAULT_DRIFT_THRESHOLDS, statisticsDrift } from '../../../core/batchnorm/drift.js';
import { DEFAULT_THRESHOLDS, healthSubject, layerHealth } from '../../../core/batchnorm/health.js';
import { isNearInput } from '../../../core/batchnorm/near-input.js';
import type {
	DifferingRecompute,
	Finding,
	LayerReport,
	MatchingRecompute,
	SkippedRecompute,
} from '../../../core/report/types.js';
import type { InspectOptions } from '../../../protocol/host-engine.js';
import type { LayerResults, LayerState } from './layer-state.js';
import { badChannels, batchStatistics, judge } from './verify-layer.js';

export interface ReportOptions extends Pick<InspectOptions, 'thresholds' | 'drift'> {
	/** False for random input. Its statistics are unrelated to the data behind the running statistics. */
	readonly judgesDrift: boolean;
	/** True if a layer in front reports the values of the input that are NaN or infinite. */
	readonly inheritsNonFinite: boolean;
}

/** Returns a layer's report after the runs so far: pending until a run has reached the layer. */
export function reportLayer(state: LayerState, options: ReportOptions): LayerReport {
	const report = reportResults(state, options);
	return state.fusionFinding ? { ...report, findings: [state.fusionFinding, ...report.findings] } : report;
}

function reportResults(state: LayerState, options: ReportOptions): LayerReport {
	const { structure, results, missed } = state;
	if (!results) {
		return missed ? { ...structure, recompute: { status: 'skipped', ...missed } } : structure;
	}
	if (!results.ok) {
		return { ...structure, recompute: { status: 'skipped', reason: `Not checked: ${results.reason}.` } };
	}
	const { prepared, images, normalization } = results.value;
	const report: LayerReport = {
		...structure,
		...prepared.reported,
		recompute: addRemarks(verdict(results.value, structure.mode), [...state.remarks]),
		batch: { ...batchStatistics(results.value, images), ...(!options.judgesDrift && { isRandom: true as const }) },
		...(normalization && { normalization }),
		// N of all runs together.
		inputShape: [images, ...prepared.shape.slice(1)],
		dtype: prepared.dtype,
	};
	return { ...report, findings: [...healthFindings(state, report, options), ...runFindings(state, report, options)] };
}

type Verdict = MatchingRecompute | DifferingRecompute | SkippedRecompute;

function verdict({ errors, mismatch, skipped }: LayerResults, mode: LayerReport['mode']): Verdict {
	if (skipped !== undefined) {
		return { status: 'skipped', reason: skipped };
	}
	const judged = errors && judge(errors, mode);
	if (mismatch === undefined) {
		return judged ?? { status: 'skipped', reason: 'Not checked: there was nothing to compare.' };
	}
	return { ...judged, status: 'mismatch', reason: [judged?.reason, mismatch].filter(Boolean).join(' ') };
}

/** Maximum number of remarks that users will read. */
const MAX_REMARKS = 3;

function addRemarks(recompute: Verdict, remarks: readonly string[]): Verdict {
	if (remarks.length === 0 || recompute.status === 'skipped') {
		return recompute;
	}
	const more = remarks.length > MAX_REMARKS ? ['And so on.'] : [];
	const sentences = [recompute.reason, ...remarks.slice(0, MAX_REMARKS), ...more];
	return { ...recompute, reason: sentences.filter((text) => text !== undefined).join(' ') };
}

/** Returns the structure's findings; judges the health again if only a run determined the parameters. */
function healthFindings(
	{ structure, layer, hasRandomParameters }: LayerState,
	{ parameters, dtype }: LayerReport,
	{ thresholds }: ReportOptions,
): readonly Finding[] {
	if (structure.parameters || !parameters || hasRandomParameters) {
		return structure.findings;
	}
	const subject = { ...healthSubject(layer, parameters), dtype };
	const health = layerHealth(subject, { ...DEFAULT_THRESHOLDS, ...thresholds });
	return [...health, ...structure.findings.filter(({ code }) => code === 'unused-by-runtime')];
}

/** Returns findings about the runtime's output and the data. */
function runFindings(
	{ layer: found, colorSums }: LayerState,
	layer: LayerReport,
	{ judgesDrift, inheritsNonFinite, drift }: ReportOptions,
): Finding[] {
	const findings: Finding[] = [];
	const { recompute, batch, parameters } = layer;
	if (recompute.status === 'mismatch') {
		const ratio = recompute.perChannel?.boundRatio;
		const channels = ratio ? badChannels(ratio) : [];
		findings.push({ code: 'recompute-mismatch', severity: 'error', channels, message: recompute.reason });
	}
	findings.push(...(inheritsNonFinite ? [] : dataHealth(batch?.count ?? 0, batch?.nonFinite)));
	if (batch && parameters && layer.mode === 'inference' && layer.axes === 'channel' && judgesDrift) {
		const images = batch.images ?? 1;
		const thresholds = { ...DEFAULT_DRIFT_THRESHOLDS, ...drift };
		const subject = { parameters, batch, epsilon: layer.epsilon, images };
		const valuesNearInput = isNearInput(found) ? batch.count / images : undefined;
		findings.push(...statisticsDrift({ ...subject, valuesNearInput, colorSums }, thresholds));
	}
	return findings;
}
