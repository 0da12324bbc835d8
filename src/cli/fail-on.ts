import { isAtLeast, SEVERITIES, type Severity } from '../core/report/severity.js';
import type { Report } from '../core/report/types.js';
import { UsageError } from './usage.js';

/** Least severity of a finding that makes a command fail. */
export type FailOn = Severity | 'never';

/** @throws {UsageError} */
export function parseFailOn(text = 'error'): FailOn {
	if (text !== 'never' && !SEVERITIES.includes(text as Severity)) {
		throw new UsageError(`--fail-on takes info, warning, error or never, not "${text}".`);
	}
	return text as FailOn;
}

/** True if the report has a finding this severe that no baseline holds. */
export function hasFinding(report: Report, failOn: FailOn): boolean {
	const findings = [...report.findings, ...report.layers.flatMap((layer) => layer.findings)];
	return findings.some(({ severity, known }) => !known && isAtLeast(severity, failOn));
}
