import { coverage, describeGap } from '../coverage.js';
import { FINDING_CODES, FINDINGS } from '../findings.js';
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
	const { run, layers } = report;
	const { extent, gaps } = coverage(report);
	const isFailed = run.status === 'failed' || (extent === 'none' && layers.length > 0);
	const notifications = gaps.map(
		(gap): SarifNotification => ({
			level: isFailed && gap.layers.length === 0 ? 'error' : gap.isNotTaken || layers.length === 0 ? 'note' : 'warning',
			text: describeGap(gap, layers.length),
		}),
	);
	const results = [
		...report.findings.map((finding) => result(finding, '')),
		...layers.flatMap((layer) => layer.findings.map((finding) => result(finding, layer.name))),
	];
	return sarifLog({ rules: RULES, results, isSuccessful: !isFailed, notifications }, options);
}

const RULES = FINDING_CODES.map((id): SarifRule => {
	const { title, help, advice } = FINDINGS[id];
	return { id, title, full: help, help: `${help} ${advice}` };
});

function result({ code, severity, channels, message }: Finding, layer: string): SarifResult {
	return { ruleId: code, severity, message, layer, channels };
}
