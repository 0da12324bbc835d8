export type Severity = 'info' | 'warning' | 'error';

/** All severities, the mildest first. */
export const SEVERITIES: readonly Severity[] = ['info', 'warning', 'error'];

/** Returns 1 for info, 2 for warning, 3 for error, and 0 for null. */
export function severityRank(severity: Severity | null): number {
	return severity === null ? 0 : SEVERITIES.indexOf(severity) + 1;
}

/** True for a severity that fails a check. @param failOn least severity that fails; `never` lets everything pass */
export function isAtLeast(severity: Severity, failOn: Severity | 'never'): boolean {
	return failOn !== 'never' && severityRank(severity) >= severityRank(failOn);
}

/** Returns the gravest severity; null without findings. */
export function worstSeverity(findings: Iterable<{ readonly severity: Severity }>): Severity | null {
	let worst: Severity | null = null;
	for (const { severity } of findings) {
		worst = severityRank(severity) > severityRank(worst) ? severity : worst;
	}
	return worst;
}
