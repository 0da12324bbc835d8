import { baselineSentence, baselineState } from '../baseline.js';
import { coverage, describeGap } from '../coverage.js';
import { FINDING_CODES, FINDINGS } from '../findings.js';
import { findingIds } from '../fingerprint/known-findings.js';
import type { JsonObject } from '../json.js';
import type { Finding, Report } from '../types.js';
import {
	type SarifNotification,
	type SarifOptions,
	type SarifResult,
	type SarifRule,
	sarifLog,
} from './text/sarif-log.js';

/** Renders the findings as SARIF 2.1.0 (OASIS): a single run, a rule per code, a result per finding. */
export function toSarif(report: Report, options: SarifOptions): JsonObject {
	const { run, layers, baseline } = report;
	const { extent, gaps } = coverage(report);
	const isFailed = run.status === 'failed' || (extent === 'none' && layers.length > 0);
	const notifications = gaps.map(
		(gap): SarifNotification => ({
			level: isFailed && gap.layers.length === 0 ? 'error' : gap.isNotTaken || layers.length === 0 ? 'note' : 'warning',
			text: describeGap(gap, layers.length),
		}),
	);
	// Code scanning shows results with the state "absent" as findings, so vanished findings become a notification.
	if (baseline && baseline.vanished.length > 0) {
		notifications.push({ level: 'note', text: baselineSentence(baseline) });
	}
	const ids = findingIds(report);
	const result = ({ code, known, ...finding }: Finding, layer: string, id: string): SarifResult => {
		return { ...finding, ruleId: code, layer, id, state: baselineState(baseline, known) };
	};
	const results = [
		...report.findings.map((finding, index) => result(finding, '', ids.model[index])),
		...layers.flatMap(({ name, findings }, layer) =>
			findings.map((finding, index) => result(finding, name, ids.layers[layer][index])),
		),
	];
	return sarifLog({ rules: RULES, results, isSuccessful: !isFailed, notifications }, options);
}

const RULES = FINDING_CODES.map((id): SarifRule => {
	const { title, help, advice } = FINDINGS[id];
	return { id, title, full: help, help: `${help} ${advice}` };
});
